"""The pages, a noun each: what is asked of the use cases for it, and the template that shows it."""
