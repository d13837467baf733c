"""The pages and endpoints that the plugin adds to the Airflow API server."""
