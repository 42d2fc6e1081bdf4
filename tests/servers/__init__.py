"""The adapters on the servers that people run, over real sockets."""
