"""What Release Watch costs: parsing its DAG files, one whole run, and hundreds of waiting runs."""
