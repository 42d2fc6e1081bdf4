"""The services of examples/, run by the commands of hatch.toml."""
