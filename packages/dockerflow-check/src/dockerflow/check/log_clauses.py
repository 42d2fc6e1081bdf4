"""The clauses that the lines of a log keep."""

from __future__ import annotations

from .clauses import SPECIFICATION, Clause, Level

_WIKI = "https://wiki.mozilla.org/Firefox/Services/Logging"
_MOZLOG = f"{_WIKI}#MozLog_application_logging_standard"
_RFC_8259 = "https://www.rfc-editor.org/rfc/rfc8259"
_DOCS = "https://dockerflow.readthedocs.io/page/"  # leads to the newest release

_MOZLOG_LINE = {
    "Django": 'from dockerflow.logging import dict_config\nLOGGING = dict_config("shop")',
    "Flask": 'from dockerflow.logging import configure\nconfigure("shop")',
    "Express": (
        "const log = (Type, Severity, Fields) => console.log(JSON.stringify({\n"
        '  Timestamp: Date.now() * 1e6, Type, Logger: "shop", Hostname: os.hostname(),\n'
        '  EnvVersion: "2.0", Severity, Pid: process.pid, Fields }));'
    ),
    "Go": (
        "json.NewEncoder(os.Stdout).Encode(map[string]any{\n"
        '\t"Timestamp": time.Now().UnixNano(), "Type": kind, "Logger": "shop",\n'
        '\t"Hostname": hostname, "EnvVersion": "2.0", "Severity": severity,\n'
        '\t"Pid": os.Getpid(), "Fields": fields})'
    ),
}

TEXT = Clause(
    id="LOG01",
    name="text",
    level=Level.MUST,
    says="Logs are text.",
    source=f"{SPECIFICATION}#containerized-app-requirements",
    why="Collectors split standard output into lines of text. Binary data, or text in UTF-16, is "
    "lost there or breaks the lines around it.",
    fixes={"any": "Write UTF-8 to standard output, and binary data nowhere near it."},
)

JSON_LINES = Clause(
    id="LOG02",
    name="json-lines",
    level=Level.SHOULD,
    says="Each line is one JSON object in UTF-8, and nothing else is on it.",
    source=f"{_WIKI}#Format",
    why="Collectors ignore lines that are no JSON, so that these messages are missing.",
    fixes={
        "Django": _MOZLOG_LINE["Django"],
        "Flask": _MOZLOG_LINE["Flask"],
        "Express": "Replace console.log() and morgan by one function that writes "
        "JSON.stringify(line).",
        "Go": "Replace log.Print by one writer around json.NewEncoder(os.Stdout). It needs a "
        "mutex, or lines mix.",
    },
)

STRICT_JSON = Clause(
    id="LOG03",
    name="strict-json",
    level=Level.SHOULD,
    says="The JSON is strict: no NaN or Infinity, no name twice in an object, no lone surrogate, "
    "no raw control character, and it can be read with usual limits of depth and digits.",
    source=f"{_RFC_8259}#section-4",
    why="Lenient parsers take such lines and strict ones refuse them, so that a line is there in "
    "one tool and missing in the next.",
    fixes={
        "Django": _MOZLOG_LINE["Django"],
        "Flask": _MOZLOG_LINE["Flask"],
        "Express": "JSON.stringify() writes null for NaN. Call toWellFormed() on strings of "
        "clients.",
        "Go": "encoding/json refuses NaN: write a string instead. zap and zerolog write each With "
        "again, so add a name once.",
    },
)

ONE_LINE_TRACEBACKS = Clause(
    id="LOG04",
    name="one-line-tracebacks",
    level=Level.SHOULD,
    says="A traceback is a string in the line of its error, not lines of its own.",
    source=f"{_WIKI}#Format",
    why="Each line of it becomes a log entry without severity and request id, mixed with those "
    "of other requests.",
    fixes={
        "Django": _MOZLOG_LINE["Django"],
        "Flask": _MOZLOG_LINE["Flask"],
        "Express": (
            "app.use((error, req, res, next) => {\n"
            '  log("app", 3, { error: String(error), traceback: error.stack });\n'
            "  res.sendStatus(500);\n"
            "});"
        ),
        "Go": (
            "defer func() {\n"
            "\tif failure := recover(); failure != nil {\n"
            '\t\tlog("app", 3, map[string]any{"error": fmt.Sprint(failure),\n'
            '\t\t\t"traceback": string(debug.Stack())})\n'
            "\t}\n"
            "}()"
        ),
    },
)

LINE_LENGTH = Clause(
    id="LOG05",
    name="line-length",
    level=Level.SHOULD,
    says="No line is longer than a megabyte.",
    source="https://cloud.google.com/logging/quotas",
    why="Collectors cut longer lines, which are no JSON then: Docker hands them on in pieces of "
    "16 KB, and Google Cloud refuses entries of more than 256 KB.",
    fixes={"any": "Log the length of a body and its beginning, not all of it."},
)

ENVELOPE = Clause(
    id="LOG06",
    name="envelope",
    level=Level.SHOULD,
    says="Each line has Timestamp, Type, Logger, Hostname, EnvVersion and Fields.",
    source=_MOZLOG,
    why="Dashboards and filters of all services use these names.",
    fixes=_MOZLOG_LINE,
)

ENVELOPE_VALUES = Clause(
    id="LOG07",
    name="envelope-values",
    level=Level.SHOULD,
    says="Type, Logger and Hostname are strings, Timestamp and Pid integers, Fields is an object, "
    'EnvVersion is "2.0" and Severity is 0 to 7, as in syslog.',
    source=_MOZLOG,
    why="A table of logs has one type for each column: a value of another one is refused, or "
    "makes the whole line unreadable. Alerts are set on numbers of severity.",
    fixes=_MOZLOG_LINE,
)

NANOSECONDS = Clause(
    id="LOG08",
    name="nanoseconds",
    level=Level.SHOULD,
    says="Timestamp is in nanoseconds since 1970, after the year 2000 and not in the future.",
    source=_MOZLOG,
    why="Milliseconds taken as nanoseconds are a moment in January 1970, where nobody looks.",
    fixes={
        "Django": _MOZLOG_LINE["Django"],
        "Flask": _MOZLOG_LINE["Flask"],
        "Express": "Timestamp: Date.now() * 1e6",
        "Go": '"Timestamp": time.Now().UnixNano()',
    },
)

ORDER = Clause(
    id="LOG09",
    name="order",
    level=Level.SHOULD,
    says="No line is more than a minute older than the line before it.",
    source="https://12factor.net/logs",
    why="Lines that are kept back for long are written too late for an alert, and are lost if the "
    "process ends. Clocks that jump put causes behind their effects.",
    fixes={
        "any": "Write lines at once: PYTHONUNBUFFERED=1, no buffer around standard output. "
        "Timestamp is the moment of the event, in UTC."
    },
)

FLAT_FIELDS = Clause(
    id="LOG10",
    name="flat-fields",
    level=Level.SHOULD,
    says="An object in Fields has no object within it.",
    source=f"{_WIKI}#Fields_property",
    why="Stores of logs make a column of each path, and have a limit for them.",
    fixes={"any": "Log the few values that somebody will search for, or the object as a string."},
)

SUMMARY_FIELDS = Clause(
    id="LOG11",
    name="summary-fields",
    level=Level.SHOULD,
    says="Each request.summary has agent, errno, lang, method and path in its Fields.",
    source=_MOZLOG,
    why="Dashboards of requests and errors are made of them.",
    fixes={
        "Django": 'MIDDLEWARE = ["dockerflow.django.middleware.DockerflowMiddleware", ...]',
        "Flask": "from dockerflow.flask import Dockerflow\nDockerflow(app)",
        "Express": (
            'res.on("close", () => log("request.summary", 6, {\n'
            '  agent: req.get("User-Agent") ?? "", lang: req.get("Accept-Language") ?? "",\n'
            "  errno: res.statusCode >= 500 ? res.statusCode : 0, method: req.method,\n"
            "  path: req.path, code: res.statusCode, t: Date.now() - started, rid }));"
        ),
        "Go": (
            'log("request.summary", 6, map[string]any{\n'
            '\t"agent": r.UserAgent(), "lang": r.Header.Get("Accept-Language"),\n'
            '\t"errno": errno, "method": r.Method, "path": r.URL.Path, "code": code,\n'
            '\t"t": time.Since(started).Milliseconds(), "rid": rid})'
        ),
    },
)

SUMMARY_VALUES = Clause(
    id="LOG12",
    name="summary-values",
    level=Level.SHOULD,
    says="In a request.summary, agent, lang, method, path and msg are strings, errno and t "
    "integers, t is milliseconds, code is an HTTP status, rid is a string or null, and uid a "
    "string or a number.",
    source=_MOZLOG,
    why="One summary with a string for a number can spoil the column of all.",
    fixes={
        "any": "Send numbers as JSON numbers, t in whole milliseconds, and an empty string for a "
        "header that is absent."
    },
)

ONE_SUMMARY = Clause(
    id="LOG13",
    name="one-summary",
    level=Level.SHOULD,
    says="Each request id (rid) has exactly one request.summary.",
    source=f"{_DOCS}reference/log-fields.html#request-summary",
    why="A second one counts a request twice on each dashboard. One that is missing hides a "
    "request, often one that failed.",
    fixes={
        "any": "Install one middleware, outermost, and one handler on the root logger. Write the "
        "summary where a request ends however it ends: after exceptions and cut connections too."
    },
)

NO_SECRETS = Clause(
    id="LOG14",
    name="no-secrets",
    level=Level.SHOULD,
    says="No line has a password in a URL, a value of Authorization, a password or a key.",
    source="https://cheatsheetseries.owasp.org/cheatsheets/Logging_Cheat_Sheet.html"
    "#data-to-exclude",
    why="Many more people and systems read logs than may know the secret, and for years.",
    fixes={
        "any": "Change the secret, as it is known now. Log the host of a URL, never the whole; "
        "leave headers and settings out."
    },
)

CLAUSES: tuple[Clause, ...] = (
    *(TEXT, JSON_LINES, STRICT_JSON, ONE_LINE_TRACEBACKS, LINE_LENGTH),
    *(ENVELOPE, ENVELOPE_VALUES, NANOSECONDS, ORDER, FLAT_FIELDS),
    *(SUMMARY_FIELDS, SUMMARY_VALUES, ONE_SUMMARY, NO_SECRETS),
)
"""What :func:`dockerflow.check.logs.check_logs` looks at."""
