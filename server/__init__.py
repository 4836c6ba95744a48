"""The service: REST API, results store, runner, client and command line."""
