"""What the flags about objects mean to the compiler."""

import argparse

from serin.compile.options import Options


def options(arguments: argparse.Namespace) -> Options:
    """Every command that reads files takes them as `serin serve` does."""
    return Options(
        ingress_class=arguments.ingress_class,
        controller_class=arguments.controller_class,
        ingress_class_by_name=arguments.ingress_class_by_name,
        watch_ingress_without_class=arguments.watch_ingress_without_class,
        annotations_prefix=arguments.annotations_prefix,
        standalone=True,
        configmap=arguments.configmap,
        default_backend_service=arguments.default_backend_service,
        default_ssl_certificate=arguments.default_ssl_certificate,
        https_redirect_port=getattr(arguments, "https_redirect_port", 0),
    )
