"""The instrumentation audit: is every signal of every service mapped, live, and of this release?"""
