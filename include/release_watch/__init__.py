"""Release Watch: proof that a production release can be watched, and the watch itself.

The direction of imports is ``dags -> orchestration -> domain packages``. Only
``release_watch.orchestration`` imports Airflow.
"""
