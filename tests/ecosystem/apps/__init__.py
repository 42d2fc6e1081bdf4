"""The applications that these tests run on servers."""
