"""A form for the payload of a helper, made from its JSON Schema: the pages load no plugin."""
