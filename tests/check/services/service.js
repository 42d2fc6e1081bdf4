// A small service for Node, without any package.
const http = require("node:http");
const net = require("node:net");

const redis = process.env.REDIS_URL && new URL(process.env.REDIS_URL);

function works() {
  return new Promise((resolve) => {
    if (!redis) return resolve(true);
    const socket = net.connect(Number(redis.port), "127.0.0.1", () => socket.write("PING\r\n"));
    socket.setTimeout(500, () => socket.destroy());
    socket.on("data", () => socket.destroy(resolve(true)));
    socket.on("error", () => {});
    socket.on("close", () => resolve(false));
  });
}

const server = http.createServer(async (request, response) => {
  console.log(`${request.method} ${request.url}`);
  const healthy = request.url !== "/__heartbeat__" || (await works());
  response.writeHead(healthy ? 200 : 503).end();
});

process.on("SIGTERM", () => server.close(() => process.exit(0)));
setTimeout(() => process.exit(9), 120_000).unref(); // if a test leaves it
server.listen(Number(process.env.PORT));
