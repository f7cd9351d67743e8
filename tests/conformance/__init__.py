"""Conformance to RFC 6455: the Autobahn fuzzing client against the production parser."""
