"""A small service that counts visits in a database and reports its health.

By default it uses only SQLite. ``DATABASE_URL`` and ``REDIS_URL`` name other backing services::

    DATABASE_URL=postgresql://user:password@host/database
    REDIS_URL=redis://:password@host:6379/0
"""
