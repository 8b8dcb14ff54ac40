"""The process: command line, composition, settings, control socket, web and logs."""
