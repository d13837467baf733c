"""Airflow connections as the transports and backends that the domain packages ask for."""
