"""The three ways in which rules get into force: files and a reload, the ruler API, files for GitOps."""
