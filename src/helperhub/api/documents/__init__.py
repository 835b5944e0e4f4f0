"""The shapes of what the API answers, for OpenAPI, one noun a file; `services` makes the documents themselves."""
