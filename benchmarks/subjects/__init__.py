"""What is measured. ``measure(work, package)`` of each module makes one piece of work.

The modules run with these packages and with the existing one: they use only the API that both have.
"""
