"""A small service: it counts visits in a database, and says how it is.

It runs with SQLite alone. ``DATABASE_URL`` and ``REDIS_URL`` name other backing services::

    DATABASE_URL=postgresql://user:password@host/database
    REDIS_URL=redis://:password@host:6379/0
"""
