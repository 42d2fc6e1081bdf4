"""The clauses of the specification that can be seen when a service is started and ended."""

from __future__ import annotations

from .clauses import SPECIFICATION, Clause, Level

_CONTAINER = f"{SPECIFICATION}#containerized-app-requirements"
_PROBES = (
    "https://kubernetes.io/docs/tasks/configure-pod-container/"
    "configure-liveness-readiness-startup-probes/"
)
_TERMINATION = "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination"
_STOP = "https://docs.docker.com/reference/cli/docker/container/stop/"
_GO_CHECK = (
    "ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)\n"
    "defer cancel()\n"
    "if err := db.PingContext(ctx); err != nil {\n"
    "\tw.WriteHeader(http.StatusServiceUnavailable)\n"
    "}"
)

LISTENS_ON_PORT = Clause(
    id="RUN01",
    name="listens-on-port",
    level=Level.MUST,
    says="The service answers HTTP requests on the port that $PORT names, whichever it is.",
    source=_CONTAINER,
    why="The platform chooses the port and sends all requests and probes there.",
    fixes={
        "Django": "gunicorn --bind 0.0.0.0:$PORT shop.wsgi",
        "Flask": "gunicorn --bind 0.0.0.0:$PORT 'shop:create_app()'",
        "Express": "app.listen(process.env.PORT);",
        "Go": 'http.ListenAndServe(":"+os.Getenv("PORT"), mux)',
    },
)

STARTS_IN_TIME = Clause(
    id="RUN02",
    name="starts-in-time",
    level=Level.SHOULD,
    says="The service answers within 30 seconds of its start.",
    source=_PROBES,
    why="Three liveness probes ten seconds apart are the default of Kubernetes: a service that "
    "needs longer is restarted before it was ever up, and each new release takes long.",
    fixes={
        "any": "Start to listen first, and load or connect after that or when it is needed. Run "
        "migrations in a job of their own. Where it must take long, set a startupProbe."
    },
)

KEEPS_RUNNING = Clause(
    id="RUN03",
    name="keeps-running",
    level=Level.SHOULD,
    says="The service runs until it is told to end, whatever it is asked and whether or not its "
    "backing services answer.",
    source="https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy",
    why="A process that ends takes all other requests with it; while it is restarted again and "
    "again, nobody is served.",
    fixes={
        "any": "Handle the error where it arises: answer 5xx to the one request, and connect "
        "again to a backing service that is back."
    },
)

LOGS_TO_OUTPUT = Clause(
    id="RUN04",
    name="logs-to-output",
    level=Level.MUST,
    says="Logs are text on stdout or stderr.",
    source=_CONTAINER,
    why="The platform collects both. A file within the container is lost with it, or fills it.",
    fixes={
        "Django": 'LOGGING = dockerflow.logging.dict_config("shop")',
        "Flask": 'dockerflow.logging.configure("shop")',
        "Express": "const log = pino(pino.destination(1));",
        "Go": "slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))",
    },
)

ENDS_ON_SIGTERM = Clause(
    id="RUN05",
    name="ends-on-sigterm",
    level=Level.SHOULD,
    says="After SIGTERM the service ends within its grace period.",
    source=_TERMINATION,
    why="What still runs after it is killed, in the middle of its requests, and each deployment "
    "waits for that.",
    fixes={
        "any": "Start the server with `exec` where a shell starts it, so that it gets the signal.",
        "Express": 'process.on("SIGTERM", () => server.close(() => process.exit(0)));',
        "Go": "ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)\n"
        "defer stop()\n"
        "go server.ListenAndServe()\n"
        "<-ctx.Done()\n"
        "server.Shutdown(context.Background())",
    },
)

EXIT_STATUS = Clause(
    id="RUN06",
    name="exit-status",
    level=Level.SHOULD,
    says="After SIGTERM the exit status is 0, or that of the signal (143).",
    source=_STOP,
    why="Any other status counts as a crash: it is reported, and may start the service again.",
    fixes={
        "any": "Treat SIGTERM as a wish, not as an error: return from main, or exit with status 0."
    },
)

NO_PROCESS_LEFT = Clause(
    id="RUN07",
    name="no-process-left",
    level=Level.SHOULD,
    says="When the service has ended, none of its processes is left.",
    source=_TERMINATION,
    why="In a container they are killed at once when its first process ends, whatever they do; "
    "elsewhere they hold the port.",
    fixes={
        "any": "Let the first process be the server itself (`exec server`), or one that passes "
        "the signal on to its children and waits for them, such as tini."
    },
)

HEARTBEAT_SEES_REFUSAL = Clause(
    id="RUN08",
    name="heartbeat-sees-refusal",
    level=Level.SHOULD,
    says="/__heartbeat__ is 5xx while a backing service refuses connections.",
    source=_CONTAINER,
    why="Nobody learns otherwise that the service is up but can't do its work.",
    fixes={
        "Django": 'DOCKERFLOW_CHECKS = ["dockerflow.django.checks.check_database_connected"]',
        "Flask": "Dockerflow(app, db=db, redis=redis)",
        "Express": 'app.get("/__heartbeat__", async (req, res) => {\n'
        "  try { await db.query('SELECT 1'); res.json({status: 'ok'}); }\n"
        "  catch { res.status(503).json({status: 'error'}); }\n"
        "});",
        "Go": _GO_CHECK,
    },
)

HEARTBEAT_SEES_SILENCE = Clause(
    id="RUN09",
    name="heartbeat-sees-silence",
    level=Level.SHOULD,
    says="/__heartbeat__ is 5xx while a backing service accepts connections and never answers.",
    source=_CONTAINER,
    why="Without a limit each heartbeat hangs as well, and holds a worker or a connection, until "
    "there are none.",
    fixes={
        "Django": "DOCKERFLOW_CHECK_TIMEOUT = 5",
        "Flask": 'app.config["DOCKERFLOW_CHECK_TIMEOUT"] = 5',
        "Express": "await Promise.race([\n"
        "  db.query('SELECT 1'),\n"
        "  new Promise((_, no) => setTimeout(no, 5000, new Error('no answer'))),\n"
        "]);",
        "Go": _GO_CHECK,
    },
)

LBHEARTBEAT_HOLDS = Clause(
    id="RUN10",
    name="lbheartbeat-holds",
    level=Level.MUST,
    says="/__lbheartbeat__ is 200, and as quick as ever, while a backing service is away.",
    source=_CONTAINER,
    why="A balancer takes away, and an orchestrator restarts, what fails it: all instances at "
    "once, for a fault that is not theirs.",
    fixes={
        "any": "Answer it from a constant, before any middleware that uses a session or a "
        "database, and let no heartbeat hold the only worker or the event loop."
    },
)

RECOVERS = Clause(
    id="RUN11",
    name="recovers",
    level=Level.SHOULD,
    says="/__heartbeat__ is 200 again within 30 seconds after a backing service is back, without "
    "a restart.",
    source=_CONTAINER,
    why="Otherwise somebody has to restart the service after each short outage.",
    fixes={
        "any": "Use a pool that replaces broken connections (in SQLAlchemy pool_pre_ping=True, in "
        "Django CONN_HEALTH_CHECKS), and no connection that is made once at the start."
    },
)

CLAUSES: tuple[Clause, ...] = (
    LISTENS_ON_PORT,
    STARTS_IN_TIME,
    KEEPS_RUNNING,
    LOGS_TO_OUTPUT,
    ENDS_ON_SIGTERM,
    EXIT_STATUS,
    NO_PROCESS_LEFT,
    HEARTBEAT_SEES_REFUSAL,
    HEARTBEAT_SEES_SILENCE,
    LBHEARTBEAT_HOLDS,
    RECOVERS,
)
"""What :func:`dockerflow.check.service.check_run` looks at."""
