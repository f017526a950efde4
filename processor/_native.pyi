def version() -> str: ...  # of the service that it was built with
