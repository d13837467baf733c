"""What is watched and how: services, SLOs, people on call, and policies, from YAML files."""
