"""The clock: it extends the plan, and enqueues what is due."""
