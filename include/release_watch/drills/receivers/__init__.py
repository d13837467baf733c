"""Where the record of a delivered alert is kept, and how it is read: one module per kind of receiver.

``receiver`` is the interface and joins several receivers into one, ``connecting`` makes them from policies
and connections. Alertmanager delivers in all cases; nothing here sends an alert.
"""
