"""What Redis can't keep for long, kept in SQL: executions, their attempts, statistics, the audit trail."""
