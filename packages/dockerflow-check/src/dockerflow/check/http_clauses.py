"""The clauses of the specification that HTTP requests can see."""

from __future__ import annotations

from .clauses import SPECIFICATION, Clause, Level

_CONTAINER = f"{SPECIFICATION}#containerized-app-requirements"
_VERSION_OBJECT = f"{SPECIFICATION}/blob/main/docs/version_object.md"
_HTTP = "https://www.rfc-editor.org/rfc/rfc9110"
_DOCS = "https://dockerflow.readthedocs.io/page/"  # leads to the newest release
_PROBES = (
    "https://kubernetes.io/docs/tasks/configure-pod-container/"
    "configure-liveness-readiness-startup-probes/"
)

VERSION_IS_200 = Clause(
    id="HTTP01",
    name="version-is-200",
    level=Level.MUST,
    says="GET /__version__ is answered with status 200.",
    source=_CONTAINER,
    why="Deployment tools ask it which release is running, and stop at any other status.",
    fixes={
        "Django": 'MIDDLEWARE = ["dockerflow.django.middleware.DockerflowMiddleware", ...]',
        "Flask": "from dockerflow.flask import Dockerflow\nDockerflow(app)",
        "Express": (
            'app.get("/__version__", (req, res) =>\n'
            '  res.set("Cache-Control", "no-store").sendFile("/app/version.json"));'
        ),
        "Go": (
            'mux.HandleFunc("GET /__version__", func(w http.ResponseWriter, r *http.Request) {\n'
            '\tw.Header().Set("Cache-Control", "no-store")\n'
            '\thttp.ServeFile(w, r, "/app/version.json")\n'
            "})"
        ),
    },
)

VERSION_IS_OBJECT = Clause(
    id="HTTP02",
    name="version-is-object",
    level=Level.MUST,
    says="The body of /__version__ is one JSON object.",
    source=_VERSION_OBJECT,
    why="Tools parse it. A page for people, a list or a bare text tells them nothing.",
    fixes={
        "any": "Send the bytes of /app/version.json as they are, in UTF-8 and without a byte order "
        "mark."
    },
)

VERSION_HAS_KEYS = Clause(
    id="HTTP03",
    name="version-has-keys",
    level=Level.MUST,
    says="The version object has source, version, commit and build, each a string. version may be "
    "blank.",
    source=_VERSION_OBJECT,
    why="Together they lead from a running container to its source, its commit and its build.",
    fixes={
        "any": "Write version.json in the CI job that builds the image, e.g. for GitHub Actions:\n"
        'printf \'{"source":"%s","version":"%s","commit":"%s","build":"%s"}\' \\\n'
        '  "https://github.com/$GITHUB_REPOSITORY" "$GITHUB_REF_NAME" "$GITHUB_SHA" \\\n'
        '  "https://github.com/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID" > version.json'
    },
)

VERSION_IS_FILE = Clause(
    id="HTTP04",
    name="version-is-file",
    level=Level.MUST,
    says="/__version__ answers with the content of version.json.",
    source=_CONTAINER,
    why="An object from elsewhere, such as an old build or another image, names the wrong release.",
    fixes={
        "any": "Serve /app/version.json itself, and build the image from the commit that it names."
    },
)

VERSION_IS_JSON_TYPE = Clause(
    id="HTTP05",
    name="version-is-json-type",
    level=Level.SHOULD,
    says="The media type of /__version__ is application/json.",
    source="https://www.rfc-editor.org/rfc/rfc8259#section-11",
    why="Many clients parse JSON only if it is labelled so, and browsers show it as a download.",
    fixes={
        "Django": "return JsonResponse(version)",
        "Flask": "return jsonify(version)",
        "Express": "res.json(version);",
        "Go": 'w.Header().Set("Content-Type", "application/json")',
    },
)

VERSION_LEADS_TO_BUILD = Clause(
    id="HTTP06",
    name="version-leads-to-build",
    level=Level.SHOULD,
    says="source and build of the version object are URLs, and commit is a Git hash.",
    source=_VERSION_OBJECT,
    why='Placeholders such as "unknown" or "main" lead nobody to the code that is running.',
    fixes={
        "any": "Fill version.json in CI: source with the repository's URL, commit with the full "
        "hash of `git rev-parse HEAD`, build with the URL of the job."
    },
)

HEARTBEAT_IS_200_OR_5XX = Clause(
    id="HTTP07",
    name="heartbeat-is-200-or-5xx",
    level=Level.MUST,
    says="GET /__heartbeat__ is answered with status 200, or with 5xx on an error.",
    source=_CONTAINER,
    why="Monitoring reads the status alone. Another one, such as 404 or 401, says nothing of the "
    "backing services.",
    fixes={
        "Django": 'MIDDLEWARE = ["dockerflow.django.middleware.DockerflowMiddleware", ...]',
        "Flask": "from dockerflow.flask import Dockerflow\nDockerflow(app, db=db)",
        "Express": (
            'app.get("/__heartbeat__", async (req, res) => {\n'
            '  const ok = await pool.query("SELECT 1").then(() => true, () => false);\n'
            '  res.set("Cache-Control", "no-store").status(ok ? 200 : 503)\n'
            '    .json({status: ok ? "ok" : "error", checks: {database: ok ? "ok" : "error"}});\n'
            "});"
        ),
        "Go": (
            'mux.HandleFunc("GET /__heartbeat__", func(w http.ResponseWriter, r *http.Request) {\n'
            '\tw.Header().Set("Cache-Control", "no-store")\n'
            "\tif err := db.PingContext(r.Context()); err != nil {\n"
            "\t\tw.WriteHeader(http.StatusServiceUnavailable)\n"
            "\t}\n"
            "})"
        ),
    },
)

HEARTBEAT_HAS_KNOWN_SHAPE = Clause(
    id="HTTP08",
    name="heartbeat-has-known-shape",
    level=Level.SHOULD,
    says="If the heartbeat answers with JSON, it is an object; its status is a known word such as "
    "ok, warning or error, and its checks are an object.",
    source=_CONTAINER,
    why="Dashboards show the checks by name, and alerts quote the status.",
    fixes={
        "any": '{"status": "error",\n "checks": {"database": "error", "cache": "ok"},\n'
        ' "details": {"database": {"status": "error", "messages": {"db.E1": "timed out"}}}}'
    },
)

HEARTBEAT_STATUS_AGREES = Clause(
    id="HTTP09",
    name="heartbeat-status-agrees",
    level=Level.SHOULD,
    says="The status word in the heartbeat's body and the HTTP status say the same.",
    source=_CONTAINER,
    why="An error that is answered with 200 raises no alert.",
    fixes={
        "Django": 'return JsonResponse(body, status=503 if body["status"] == "error" else 200)',
        "Flask": 'return body, 503 if body["status"] == "error" else 200',
        "Express": 'res.status(body.status === "error" ? 503 : 200).json(body);',
        "Go": 'if body.Status == "error" {\n\tw.WriteHeader(http.StatusServiceUnavailable)\n}',
    },
)

LBHEARTBEAT_IS_200 = Clause(
    id="HTTP10",
    name="lbheartbeat-is-200",
    level=Level.MUST,
    says="GET /__lbheartbeat__ is answered with status 200.",
    source=_CONTAINER,
    why="The load balancer sends no traffic to an instance that answers anything else.",
    fixes={
        "Django": 'MIDDLEWARE = ["dockerflow.django.middleware.DockerflowMiddleware", ...]',
        "Flask": "from dockerflow.flask import Dockerflow\nDockerflow(app)",
        "Express": (
            'app.get("/__lbheartbeat__", (req, res) =>\n'
            '  res.set("Cache-Control", "no-store").status(200).end());'
        ),
        "Go": (
            'mux.HandleFunc("GET /__lbheartbeat__",\n'
            "\tfunc(w http.ResponseWriter, r *http.Request) {\n"
            '\t\tw.Header().Set("Cache-Control", "no-store")\n'
            "\t})"
        ),
    },
)

LBHEARTBEAT_IS_QUICK = Clause(
    id="HTTP11",
    name="lbheartbeat-is-quick",
    level=Level.SHOULD,
    says="/__lbheartbeat__ is answered in less than a second.",
    source=f"{_PROBES}#configure-probes",
    why="A Kubernetes probe waits one second by default, and then counts a failure.",
    fixes={
        "any": "Answer before middleware that does I/O (sessions, logins, rate limits), and keep a "
        "worker free for probes."
    },
)

LBHEARTBEAT_CHECKS_NOTHING = Clause(
    id="HTTP12",
    name="lbheartbeat-checks-nothing",
    level=Level.SHOULD,
    says="/__lbheartbeat__ does not check backing services, as far as its status, body and time "
    "can tell.",
    source=_CONTAINER,
    why="Otherwise a database that is down takes all instances out of the load balancer at once.",
    fixes={
        "Django": "return HttpResponse()  # no query, no session, no cache",
        "Flask": 'return "", 200  # no query, no session, no cache',
        "Express": "res.status(200).end(); // before session and login middleware",
        "Go": "w.WriteHeader(http.StatusOK) // no PingContext here",
    },
)

HEAD_IS_AS_GET = Clause(
    id="HTTP13",
    name="head-is-as-get",
    level=Level.SHOULD,
    says="The endpoints answer HEAD with the same status as GET.",
    source=f"{_HTTP}#section-9.3.2",
    why="Some load balancers and monitors probe with HEAD.",
    fixes={
        "Django": '@require_safe  # not @require_http_methods(["GET"])',
        "Flask": 'app.add_url_rule(path, view_func=view, methods=["GET"])  # adds HEAD',
        "Express": "app.get(path, handler); // answers HEAD too",
        "Go": 'mux.HandleFunc("GET /__heartbeat__", heartbeat) // matches HEAD too',
    },
)

OTHER_METHODS_ARE_405 = Clause(
    id="HTTP14",
    name="other-methods-are-405",
    level=Level.SHOULD,
    says="The endpoints refuse other methods, such as POST, with status 405 and an Allow header.",
    source=f"{_HTTP}#section-15.5.6",
    why="A probe with a wrong method shows its mistake at once, and nothing is run for it.",
    fixes={
        "Django": "@require_safe",
        "Flask": 'app.add_url_rule(path, view_func=view, methods=["GET"])',
        "Express": (
            "// after app.get(path, handler):\n"
            'app.all(path, (req, res) => res.set("Allow", "GET, HEAD").sendStatus(405));'
        ),
        "Go": 'mux.HandleFunc("GET /__heartbeat__", heartbeat) // Go 1.22: POST is 405',
    },
)

NOT_CACHED = Clause(
    id="HTTP15",
    name="not-cached",
    level=Level.SHOULD,
    says="The endpoints answer with Cache-Control: no-store or no-cache, and no cache answers for "
    "them.",
    source="https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5",
    why="A cache in between would show the state of minutes ago.",
    fixes={
        "Django": "@never_cache",
        "Flask": 'response.headers["Cache-Control"] = "no-store"',
        "Express": 'res.set("Cache-Control", "no-store");',
        "Go": 'w.Header().Set("Cache-Control", "no-store")',
    },
)

NO_REDIRECT = Clause(
    id="HTTP16",
    name="no-redirect",
    level=Level.MUST,
    says="The endpoints answer themselves, never with a redirect.",
    source=_CONTAINER,
    why="Load balancers count a redirect as a failure, and Kubernetes counts one to another host "
    "as a success, whatever the state of the service.",
    fixes={
        "Django": (
            'SECURE_REDIRECT_EXEMPT = [r"^__(version|heartbeat|lbheartbeat)__$"]\n'
            "# or put DockerflowMiddleware before SecurityMiddleware"
        ),
        "Flask": '@app.get("/__heartbeat__", strict_slashes=False)',
        "Express": "Register the endpoints before the middleware that redirects to https.",
        "Go": 'Register "/__heartbeat__", without a trailing slash, outside the https redirect.',
    },
)

NO_COOKIES = Clause(
    id="HTTP17",
    name="no-cookies",
    level=Level.SHOULD,
    says="The endpoints set no cookies.",
    source=f"{_DOCS}reference/index.html#endpoints",
    why="A cookie means that each probe has opened a session, often as a row in a database.",
    fixes={"any": "Answer the endpoints before the middleware of sessions and of CSRF protection."},
)

NO_SECRETS = Clause(
    id="HTTP18",
    name="no-secrets",
    level=Level.SHOULD,
    says="No body holds a URL with a password or a token in it.",
    source=f"{_DOCS}security.html",
    why="Everybody can read the endpoints who can reach the service.",
    fixes={
        "any": "Mask the part before the @ of URLs in error messages "
        "(postgres://***@host/database), and build with a source URL that holds no token."
    },
)

ANSWERS_END = Clause(
    id="HTTP19",
    name="answers-end",
    level=Level.SHOULD,
    says="Each answer is complete, not compressed unasked, at most 1 MB long, and ends in time.",
    source="https://www.rfc-editor.org/rfc/rfc9112#section-8",
    why="A probe counts an answer that breaks off or does not end as a failure.",
    fixes={"any": "Send a short body with its Content-Length, and give each check a time limit."},
)

TRAILING_TEXT = Clause(
    id="HTTP20",
    name="trailing-text-is-another-path",
    level=Level.SHOULD,
    says="With text after its path, /__lbheartbeat__ is another path that has not the same "
    "answer; with a trailing slash it is no server error.",
    source=f"{_HTTP}#section-15.5.5",
    why="A catch-all route that answers any path with 200 passes probes although there is no "
    "endpoint.",
    fixes={
        "any": "Register each endpoint by its exact path, before a catch-all route, and let the "
        "catch-all answer 404 to paths that begin with /__."
    },
)

REQUEST_ID = Clause(
    id="HTTP21",
    name="request-id-is-echoed",
    level=Level.SHOULD,
    says="The answer has the request id that the request came with.",
    source=f"{_DOCS}requests.html#request-ids",
    why="The id leads from a failed request to its log lines in all services.",
    fixes={
        "Django": 'MIDDLEWARE = ["dockerflow.django.middleware.DockerflowMiddleware", ...]',
        "Flask": "from dockerflow.flask import Dockerflow\nDockerflow(app)",
        "Express": (
            "app.use((req, res, next) => {\n"
            '  res.set("X-Request-ID", req.get("X-Request-ID") ?? crypto.randomUUID());\n'
            "  next();\n"
            "});"
        ),
        "Go": 'w.Header().Set("X-Request-ID", r.Header.Get("X-Request-ID"))',
    },
)

ERROR_IS_500 = Clause(
    id="HTTP22",
    name="error-is-500",
    level=Level.SHOULD,
    says="GET /__error__ is answered with status 500.",
    source=f"{_DOCS}security.html#who-can-reach-the-endpoints",
    why="It is there to try the error reporting, so it has to fail as the application does.",
    fixes={
        "Django": 'def error(request):\n    raise Exception("a test")',
        "Flask": '@app.get("/__error__")\ndef error():\n    raise Exception("a test")',
        "Express": 'app.get("/__error__", () => { throw new Error("a test"); });',
        "Go": "Panic in the handler, inside a middleware that recovers, reports and answers 500.",
    },
)

ERROR_HIDES_TEXT = Clause(
    id="HTTP23",
    name="error-hides-text",
    level=Level.SHOULD,
    says="The answer of /__error__ shows neither the exception's text nor a stack trace.",
    source=f"{_DOCS}security.html#who-can-reach-the-endpoints",
    why="The texts of exceptions hold addresses, queries and data of users.",
    fixes={
        "Django": "DEBUG = False",
        "Flask": "Run it without --debug.",
        "Express": "NODE_ENV=production",
        "Go": 'http.Error(w, "Internal Server Error", http.StatusInternalServerError)',
    },
)
