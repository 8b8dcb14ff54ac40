"""The control socket: how admins, scanners and the demo's crew steer the daemon, by HTTP/1.1 and JSON."""
