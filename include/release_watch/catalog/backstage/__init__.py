"""Services from the ``catalog-info.yaml`` files of Backstage, where a team has them."""
