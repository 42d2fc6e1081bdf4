// A service for Node, without any package: `node shop.js good|usual version.json`.
// The usual one looks at the path only, as a first draft does, and logs for people.
const fs = require("node:fs");
const http = require("node:http");
const os = require("node:os");

const isGood = process.argv[2] === "good";
const version = fs.readFileSync(process.argv[3]);

function log(type, severity, fields) {
  if (!isGood) return console.log(`${fields.method} ${fields.path} ${fields.code}`);
  console.log(JSON.stringify({
    Timestamp: Number(BigInt(Date.now()) * 1_000_000n), Type: type, Logger: "shop",
    Hostname: os.hostname(), EnvVersion: "2.0", Severity: severity, Pid: process.pid, Fields: fields,
  }));
}

function answer(request, response) {
  const paths = ["/__version__", "/__heartbeat__", "/__lbheartbeat__", "/__error__"];
  if (isGood) response.setHeader("Cache-Control", "no-store");
  if (!paths.includes(request.url)) return response.writeHead(404).end("Not Found");
  if (isGood && !["GET", "HEAD"].includes(request.method)) {
    return response.writeHead(405, { Allow: "GET, HEAD" }).end();
  }
  if (request.url === "/__error__") throw new Error("this is a test exception");
  if (request.url === "/__version__") {
    response.setHeader("Content-Type", "application/json; charset=utf-8");
    return response.end(version);
  }
  if (request.url === "/__heartbeat__") {
    response.setHeader("Content-Type", "application/json; charset=utf-8");
    return response.end(JSON.stringify({ status: "ok", checks: { database: "ok" } }));
  }
  response.end();
}

const server = http.createServer((request, response) => {
  const started = process.hrtime.bigint();
  const rid = request.headers["x-request-id"];
  if (isGood && rid) response.setHeader("X-Request-ID", rid);
  try {
    answer(request, response);
  } catch (error) {
    const text = isGood ? "Internal Server Error" : error.stack; // as Express does in development
    response.writeHead(500).end(text);
  }
  log("request.summary", 6, {
    agent: request.headers["user-agent"] ?? "", errno: response.statusCode < 500 ? 0 : 1,
    lang: request.headers["accept-language"] ?? "", method: request.method, path: request.url,
    code: response.statusCode, t: Number((process.hrtime.bigint() - started) / 1_000_000n), rid,
  });
});

if (isGood) process.on("SIGTERM", () => server.close(() => process.exit(0)));
setTimeout(() => process.exit(9), 120_000).unref(); // if a test leaves it
server.listen(Number(process.env.PORT), "127.0.0.1");
