"""Codes about who may come in: passwords, external authentication, certificates of clients, TLS."""

from serin.lint.codes.model import CONFIGMAP, HOST, Code, config_map, ingress, join

_TLS = f"- hosts: [{HOST}]\n  secretName: web-tls\n"
_BASIC = ("auth-type: basic", "auth-secret: users")
_HTTPS = 'backend-protocol: "HTTPS"'


def _secret(name: str, *lines: str) -> str:
    data = "".join(f"  {line}\n" for line in lines)
    return f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n{data}"


_503 = "Requests get 503 until it is repaired: nobody comes in who was to be kept out."

CODES = (
    Code(
        "auth-secret-missing",
        "a password without users",
        f"`auth-type` needs `auth-secret`, the Secret with the users. {_503}",
        "Name the Secret by `auth-secret`.",
        ingress("auth-type: basic"),
        alike=True,
    ),
    Code(
        "auth-secret-unusable",
        "the Secret with the users cannot be used",
        f"It is not there, or has no key `auth` (`auth-secret-type: auth-map`: no users). {_503}",
        "Create it: `kubectl create secret generic users --from-file=auth`, an htpasswd file.",
        ingress(*_BASIC),
        alike=True,
    ),
    Code(
        "auth-secret-namespace",
        "a Secret of another namespace",
        f"Secrets are taken from the Ingress's own namespace alone. {_503}",
        "Copy the Secret into the namespace of the Ingress.",
        ingress("auth-type: basic", "auth-secret: team-b/users"),
        there="the same, unless allow-cross-namespace-resources is true in its ConfigMap",
    ),
    Code(
        "auth-secret-without-type",
        "users without `auth-type`",
        "`auth-secret` alone asks nobody for a password: requests come in without one.",
        "Set `auth-type: basic`, or take `auth-secret` away.",
        ingress("auth-secret: users"),
        alike=True,
    ),
    Code(
        "auth-users-unusable",
        "users that cannot come in",
        "Lines of the Secret are no `user:hash`, or their hash is of a kind that is not known or too costly; these "
        "users cannot sign in, the others can.",
        "Write these users' hashes anew: `htpasswd -B` (bcrypt, cost up to 15).",
        join(
            ingress(*_BASIC),
            _secret("users", "auth: |", "  ann:{PLAIN}word", "  bob"),
        ),
    ),
    Code(
        "auth-url-missing",
        "external authentication without an URL",
        "The annotation belongs to `auth-url` and has no effect without it.",
        "Set `auth-url`, or take the annotation away.",
        ingress("auth-signin: https://login.example.com/"),
        alike=True,
    ),
    Code(
        "auth-url-host-unknown",
        "`$host` where there is no name",
        f"`$host` in the authority of `auth-url` stands for the host's name, and a wildcard or catch-all has none. "
        f"{_503}",
        "Write the host of the authentication server.",
        ingress("auth-url: https://$host/oauth2/auth", host="*.example.com"),
        "GET http://any.example.com/",
        there="the name that the client sent is asked, whatever it is",
    ),
    Code(
        "auth-cache-key-constant",
        "one answer for all clients",
        "`auth-cache-key` holds no variable, so that the first answer of the authentication server counts for "
        "everybody.",
        "Put into the key what tells users apart, as `$cookie_session$http_authorization`.",
        ingress("auth-url: https://login.example.com/auth", "auth-cache-key: everybody"),
        "",
        alike=True,
    ),
    Code(
        "auth-headers-namespace",
        "headers of another namespace's ConfigMap",
        f"`auth-proxy-set-headers` names a ConfigMap of another namespace. {_503}",
        "Copy the ConfigMap into the namespace of the Ingress.",
        ingress("auth-url: https://login.example.com/auth", "auth-proxy-set-headers: team-b/headers"),
        there="the same, unless allow-cross-namespace-resources is true in its ConfigMap",
    ),
    Code(
        "auth-headers-unusable",
        "headers that cannot be sent to the authentication server",
        f"The ConfigMap is not there, or has a name or value that cannot be sent. {_503}",
        "Repair the ConfigMap; an authentication server that misses a header may think otherwise of a request.",
        ingress("auth-url: https://login.example.com/auth", "auth-proxy-set-headers: headers"),
    ),
    Code(
        "auth-tls-secret-missing",
        "certificates of clients without authorities",
        f"The annotation asks for certificates of clients, and needs `auth-tls-secret`. {_503}",
        "Name the Secret with `ca.crt` by `auth-tls-secret`.",
        ingress('auth-tls-verify-client: "on"', tls=_TLS),
        flags="--plane nginx",
        there="nobody is asked for a certificate",
    ),
    Code(
        "auth-tls-secret-namespace",
        "authorities of another namespace",
        f"`auth-tls-secret` names a Secret of another namespace. {_503}",
        "Copy the Secret into the namespace of the Ingress.",
        ingress("auth-tls-secret: team-b/authorities", tls=_TLS),
        flags="--plane nginx",
        there="the same, unless allow-cross-namespace-resources is true in its ConfigMap",
    ),
    Code(
        "auth-tls-secret-unusable",
        "the Secret with the authorities cannot be used",
        "It is not there, or has no usable `ca.crt`. All requests of the host get 503.",
        "Create the Secret with `ca.crt` (and `ca.crl`) in PEM.",
        ingress("auth-tls-secret: default/authorities", tls=_TLS),
        flags="--plane nginx",
        alike=True,
    ),
    Code(
        "auth-tls-conflict",
        "two Ingresses of a host ask for different certificates",
        "Certificates of clients are the host's, and its oldest Ingress says which. The routes of this one get 503.",
        "Give all Ingresses of the host the same `auth-tls-*`.",
        unshown="the example would need a certificate",
        there="the oldest Ingress decides, and the others are open to its clients",
    ),
    Code(
        "auth-tls-match-broken",
        "a pattern for subjects that does not compile",
        "`auth-tls-match-cn` is no PCRE. The routes of this Ingress get 503.",
        "Repair the pattern.",
        unshown="the example would need a certificate",
    ),
    Code(
        "auth-tls-match-unmet",
        "a pattern for subjects that nobody shows",
        f"`auth-tls-match-cn` needs `auth-tls-verify-client: on` or `optional`. {_503}",
        "Set `auth-tls-verify-client: on`.",
        ingress("auth-tls-secret: default/a", 'auth-tls-verify-client: "off"', "auth-tls-match-cn: CN=app", tls=_TLS),
        flags="--plane nginx",
        there="the pattern is compared with an empty text: 403",
    ),
    Code(
        "auth-tls-unused",
        "details of certificates that nobody asks for",
        "The annotation has no effect without `auth-tls-secret`.",
        "Set `auth-tls-secret`, or take the annotation away.",
        ingress('auth-tls-verify-depth: "2"'),
        flags="--plane nginx",
        alike=True,
    ),
    Code(
        "auth-tls-without-tls",
        "certificates of clients on a host without TLS",
        "The host has no `tls` section: clients see the default certificate.",
        "Add `spec.tls` with the host.",
        unshown="the example would need a certificate",
        alike=True,
    ),
    Code(
        "certificate-unusable",
        "the Secret of a certificate cannot be used",
        "It is not there, or holds no certificate with its key. The default certificate is shown; plain requests are "
        "redirected to https all the same.",
        "Create the Secret: `kubectl create secret tls web-tls --cert=… --key=…`.",
        ingress(tls=_TLS),
        alike=True,
    ),
    Code(
        "certificate-name-mismatch",
        "a certificate for other names",
        "The certificate is not for this host. The default certificate is shown.",
        "Have a certificate made for the host, or name the right Secret.",
        unshown="the example would need a certificate",
        alike=True,
    ),
    Code(
        "proxy-ssl-unused",
        "TLS options for endpoints that are spoken to without TLS",
        "`proxy-ssl-*` have no effect while `backend-protocol` is not HTTPS or GRPCS.",
        "Set `backend-protocol: HTTPS`, or take them away.",
        ingress('proxy-ssl-verify: "on"', "proxy-ssl-secret: default/inner"),
        alike=True,
    ),
    Code(
        "proxy-ssl-secret-missing",
        "endpoints to be checked by nobody",
        f"`proxy-ssl-verify: on` needs `proxy-ssl-secret` with the authorities. {_503}",
        "Name a Secret with `ca.crt` by `proxy-ssl-secret`.",
        ingress(_HTTPS, 'proxy-ssl-verify: "on"'),
        there="endpoints are not checked",
    ),
    Code(
        "proxy-ssl-secret-namespace",
        "authorities for endpoints of another namespace",
        f"`proxy-ssl-secret` names a Secret of another namespace. {_503}",
        "Copy the Secret into the namespace of the Ingress.",
        ingress(_HTTPS, "proxy-ssl-secret: team-b/inner"),
        there="the same, unless allow-cross-namespace-resources is true in its ConfigMap",
    ),
    Code(
        "proxy-ssl-secret-unusable",
        "the Secret for endpoints cannot be used",
        f"It is not there, or holds neither a certificate with its key nor `ca.crt`. {_503}",
        "Create the Secret with what is asked for.",
        ingress(_HTTPS, "proxy-ssl-secret: default/inner"),
        alike=True,
    ),
    Code(
        "passthrough-disabled",
        "TLS to be passed on, and the flag is not set",
        "`ssl-passthrough` needs the flag `--enable-ssl-passthrough`; without it TLS is ended here, the rules serve.",
        "Start the controller with the flag, or take the annotation away.",
        ingress('ssl-passthrough: "true"'),
        alike=True,
    ),
    Code(
        "passthrough-without-host",
        "TLS to be passed on for any name",
        "TLS is passed on by the name that clients ask for; a catch-all has none.",
        "Write a rule with a host.",
        ingress(
            'ssl-passthrough: "true"',
            spec="defaultBackend:\n  service:\n    name: web\n    port: {number: 80}\n",
            rules="",
        ),
        "GET http://any.example/",
        flags="--enable-ssl-passthrough",
        alike=True,
    ),
    Code(
        "passthrough-without-root",
        "TLS to be passed on to nobody",
        "The Service of path `/` gets the connections, and the host has none.",
        "Add a path `/` with the Service that speaks TLS.",
        ingress('ssl-passthrough: "true"', path="/cart"),
        flags="--enable-ssl-passthrough",
        alike=True,
    ),
    Code(
        "passthrough-not-oldest",
        "another Ingress of the host is older",
        "The host's oldest Ingress says whether its TLS is passed on.",
        "Set `ssl-passthrough` on the oldest Ingress of the host.",
        join(ingress(name="web"), ingress('ssl-passthrough: "true"', name="a", path="/cart")),
        flags="--enable-ssl-passthrough",
    ),
    Code(
        "passthrough-skips-rules",
        "rules that a connection passed on does not meet",
        "TLS of the host is passed on unread: passwords, lists, limits and the like of its Ingresses do not count "
        "there.",
        "Let the backend decide who comes in, or end TLS here.",
        ingress('ssl-passthrough: "true"', "allowlist-source-range: 10.0.0.0/8"),
        "",
        flags="--enable-ssl-passthrough",
        alike=True,
    ),
    Code(
        "passthrough-without-headers",
        "clients' addresses from headers, beside TLS passed on",
        "With `--enable-ssl-passthrough` nginx takes a client's address from the connection, not from headers.",
        "Let the load balancer speak the PROXY protocol, and set `use-proxy-protocol`.",
        config_map('use-forwarded-headers: "true"'),
        flags=f"--enable-ssl-passthrough --plane nginx {CONFIGMAP}",
    ),
)
