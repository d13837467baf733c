"""Everything that imports Airflow: it fetches, calls the domain, stores, and passes URIs and verdicts on."""
