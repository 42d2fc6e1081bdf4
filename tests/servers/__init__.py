"""The adapters on common servers, over real sockets."""
