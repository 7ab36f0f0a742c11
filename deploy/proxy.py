"""nginx in front of the models: weights, failover, limits, and copies for the shadow.

Requests go to the models by nginx's smooth weighted round robin, kept in memory that its workers
share: the split is exact to one request, unlike split_clients or `random`, which are drawn.
"""

from deploy.deployment import EXPLAIN_S, Deployment, Model, Shadow

CONF = "proxy/nginx.conf"
COMPARER_PORT = 3900
MAX_BODY_BYTES = 20_000_000  # the server's max_body_bytes

_MAIN = """\
# Written by `python -m deploy`. Relative paths are below the prefix: nginx -p PREFIX -c nginx.conf
worker_processes auto;
worker_shutdown_timeout {explain_s}s;  # after a reload the old workers finish what they began
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}

http {{
    access_log off;  # the servers' own log says more
    server_tokens off;
    default_type application/json;
    client_body_temp_path body;
    proxy_temp_path answers;
    fastcgi_temp_path unused;
    uwsgi_temp_path unused;
    scgi_temp_path unused;

    map $http_x_request_id $id {{
        "" $request_id;
        default $http_x_request_id;
    }}
{shadow_map}
    upstream models {{
        zone models 256k;
{servers}
        keepalive 32;
        keepalive_timeout 4s;  # the servers close idle connections after 5 s
    }}

    server {{
        listen {port};
        # A reload closes idle connections at once, under the request that a client sends meanwhile.
        keepalive_timeout 0;
        client_header_timeout 10s;
        client_body_timeout 30s;
        send_timeout 30s;
        client_max_body_size {max_body};
        client_body_buffer_size 2m;

        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Request-Id $id;
        proxy_connect_timeout 2s;
        proxy_read_timeout {explain_s}s;
        # Scoring changes nothing on the server, so that a POST may be sent to another one as well.
        proxy_next_upstream error timeout non_idempotent http_503;
        proxy_next_upstream_timeout 10s;

        error_page 413 @too_large;
        error_page 502 504 =503 @unavailable;

        location / {{
            proxy_pass http://models;
        }}
{shadow_locations}
        location = /metrics {{  # each server has its own; ask them, not the proxy
            return 404 '{not_found}';
        }}
        location @too_large {{
            return 413 '{too_large}';
        }}
        location @unavailable {{
            add_header Retry-After 1 always;
            return 503 '{unavailable}';
        }}
    }}
}}
"""

_MAP = """\
    split_clients $request_id $is_shadowed {{
        {percent}% 1;
        * "";
    }}
"""

_LOCATIONS = """
        location = /score {{
            mirror /shadow;
            proxy_pass http://models;
        }}
        location = /shadow {{
            internal;
            if ($is_shadowed = "") {{ return 204; }}
            proxy_next_upstream off;
            proxy_read_timeout 5s;  # the comparer answers before it asks the models
            proxy_pass http://{comparer}/score;
        }}
"""


def nginx_conf(deployment: Deployment) -> str:
    """Return nginx.conf; models of weight 0 are left out, they get no request at all."""
    shadow = deployment.shadow
    return _MAIN.format(
        port=deployment.entry.port if deployment.target == "nginx" else 8080,
        explain_s=EXPLAIN_S,
        max_body=MAX_BODY_BYTES,
        servers="\n".join(_server(model) for model in deployment.models if model.weight),
        shadow_map=_MAP.format(percent=shadow.percent) if shadow else "",
        shadow_locations=_locations(shadow) if shadow else "",
        not_found=_error("not_found", "no such route"),
        too_large=_error("too_large", f"the body is over {MAX_BODY_BYTES} bytes"),
        unavailable=_error("unavailable", "no server of the model answers"),
    )


def _server(model: Model) -> str:
    # One failure takes a server out for 2 s; what failed was sent to another one.
    return f"        server {model.server} weight={model.weight} max_fails=1 fail_timeout=2s;"


def _locations(shadow: Shadow) -> str:
    return _LOCATIONS.format(comparer=shadow.comparer)


def _error(code: str, message: str) -> str:
    """The body that our server would send."""
    return f'{{"error":{{"code":"{code}","message":"{message}","image_index":null}}}}'
