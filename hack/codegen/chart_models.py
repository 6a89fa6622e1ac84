"""The chart's values: names, types, defaults, and what each is for.

The one source of ``values.yaml``, ``values.schema.json`` and the table in the chart's
README. A field's docstring is its documentation in all three. Values of Kubernetes' own types (an
affinity, a toleration) are passed on unchanged: the API server knows their schema.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings

import wegent_api.settings
import wegent_operator.settings
from wegent_crds.kinds.shell import ShellType
from wegent_crds.schema.fields import DNS_LABEL
from wegent_operator.settings import ACCOUNT_QUOTA

SET_BY_THE_CHART: Final = frozenset(
    {"host", "port", "listen_host", "listen_port", "kubeconfig"}
    | {"accounts_namespace", "shared_namespaces", "shared_role", "account_quota"}
    | {"served_shells"}
    | {"registration_open", "first_admin"}
    | {"leader_election", "lease_namespace", "drain_delay_s"}
)
"""Settings that the rest of the chart determines."""

Object = dict[str, Any]
Port = Annotated[int, Field(ge=1, le=65535)]
Strings = dict[str, str]
Label = Annotated[str, Field(pattern=f"^{DNS_LABEL}$", max_length=63)]
NamePart = Annotated[str, Field(pattern="^([a-z]([-a-z0-9]*[a-z0-9])?)?$", max_length=40)]
"""The beginning of a Service's name; empty: unset."""
OptionalName = Annotated[str, Field(pattern=rf"^({DNS_LABEL}(\.{DNS_LABEL})*)?$", max_length=253)]
"""Name of an object; empty: unset."""
HostName = Annotated[str, Field(pattern=rf"^(\*\.)?{DNS_LABEL}(\.{DNS_LABEL})*$", max_length=253)]
LABEL_VALUE: Final = "([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
Labels = dict[
    Annotated[
        str, Field(pattern=r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
    ],
    Annotated[str, Field(pattern=f"^{LABEL_VALUE}$")],
]
Address = Annotated[
    str, Field(pattern=r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$")
]
"""An IP address. The program says it better if it isn't one all the same."""
Network = Annotated[str, Field(pattern=r"^[0-9A-Fa-f:.]+/[0-9]{1,3}$")]
ImageName = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9A-Z.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*$|^$",
        max_length=240,
    ),
]
"""An image's name without a tag, as the tag's colon would look like a port's."""
Tag = Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")]
QUANTITY: Final = r"^[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?$"
"""The format of a non-negative quantity in the API server."""
QUANTITIES: Final = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [{"type": "string", "pattern": QUANTITY}, {"type": "number", "minimum": 0}]
    },
}
Resources = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "requests": QUANTITIES,
                "limits": QUANTITIES,
                "claims": {"type": "array", "items": {"type": "object"}},
            },
        }
    ),
]
Named = Annotated[
    Object,
    WithJsonSchema(
        {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "minLength": 1}},
        }
    ),
]
"""A Kubernetes object that must have a name."""


class ValuesModel(BaseModel):
    """A part of the values; what it doesn't name is refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", use_attribute_docstrings=True
    )


def _settings(program: type[BaseSettings]) -> type[ValuesModel]:
    """Return the settings of a program that users of the chart may set; unset: its default."""
    fields: dict[str, Any] = {
        name: (
            Annotated[field.annotation, Field(), *field.metadata] | None,
            Field(default=None, description=field.description),
        )
        for name, field in program.model_fields.items()
        if name not in SET_BY_THE_CHART
    }
    name = program.__module__.split(".", maxsplit=1)[0].title().replace("_", "") + "Settings"
    return create_model(name, __base__=ValuesModel, **fields)


OperatorSettings = _settings(wegent_operator.settings.Settings)
ApiSettings = _settings(wegent_api.settings.Settings)


class Images(ValuesModel):
    """The images."""

    repository: ImageName = ""
    """Prefix of the names of both images, your registry's included; `-operator` and `-api`
    are added. Must be set, unless `operator.image.repository` and `api.image.repository` are."""
    tag: Tag = ""
    """Of both. Empty: the chart's appVersion."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When they are pulled."""


class Image(ValuesModel):
    """One program's image, where it differs."""

    repository: ImageName = ""
    """Its whole name. Empty: as `image.repository` says."""
    tag: Tag = ""
    """Its tag. Empty: as `image.tag` says."""
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """Its digest, `sha256:...`; it counts more than the tag."""


class Crds(ValuesModel):
    """CustomResourceDefinitions."""

    enabled: bool = True
    """Install and upgrade them with the chart. Off: apply `crds/` yourself, before each upgrade."""
    keep: bool = True
    """Leave them, all objects of users, the accounts' namespace and the first admin's password in
    the cluster when the release is uninstalled. Off: `helm uninstall` deletes all of it."""


class Policies(ValuesModel):
    """Admission policies."""

    enabled: bool = True
    """Install the admission policies. Off: creators can be forged, the operator and the proxy are
    held by RBAC alone, and objects get the trash's finalizer only once the operator sees them."""
    mutating: Literal["auto", "always", "never"] = "auto"
    """Condition for installing the mutating ones too, which stamp creators and the trash's
    finalizer: `auto` where the cluster has them (Kubernetes 1.36 and newer), as far as Helm can
    see. `helm template` sees no cluster: say `always` there."""


class Accounts(ValuesModel):
    """Where users are."""

    namespace: Label = "wegent-accounts"
    """Of Accounts, their ServiceAccounts and password Secrets. Nothing else may live there, so it
    can't be the release's namespace. Not to be changed once users are there."""
    create_namespace: bool = True
    """Make that namespace. Off: it must be there before."""
    registration: Literal["closed", "open"] = "closed"
    """Open: anybody who reaches the API may register. Closed: admins create Accounts."""
    secrets: Annotated[int, Field(ge=1)] = 2000
    """How many Secrets the namespace may hold, by a ResourceQuota: each Account has one for its
    password, so that no more users can register than that."""
    quota: dict[str, Annotated[int, Field(ge=1)]] = dict(ACCOUNT_QUOTA)
    """How many objects the namespace of each user may hold, as a ResourceQuota has it. `null`
    takes a resource out."""


class FirstAdmin(ValuesModel):
    """The first admin."""

    enabled: bool = True
    """Make an Account with the role `admin` after installing, unless there is one of the name."""
    username: Annotated[str, Field(pattern=f"^{DNS_LABEL}$", max_length=50)] = "admin"
    """Its name."""
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)] = "admin@example.com"
    """Its address."""
    existing_secret: OptionalName = ""
    """Name of a Secret in the release's namespace that has the password under the key `password`.
    Use it with GitOps, where Helm can't look up the one that it generated before."""
    password: Annotated[str, Field(max_length=128)] = ""
    """The password, of 12 characters or more. Empty: one is generated, once, and kept on
    upgrades. Helm's record of the release has it either way, so change it after the first login:
    over the API, for changing it here changes nothing."""


class ServiceAccount(ValuesModel):
    """A ServiceAccount."""

    create: bool = True
    """Make the ServiceAccount."""
    name: OptionalName = ""
    """Its name; empty: that of the Deployment. Roles and policies follow it."""
    annotations: Strings = {}
    """Its annotations."""


class PodDisruptionBudget(ValuesModel):
    """A PodDisruptionBudget."""

    enabled: bool = True
    """Make a PodDisruptionBudget."""
    max_unavailable: (
        Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^([0-9]|[1-9][0-9]|100)%$")]
    ) = 1
    """How many Pods may be evicted at a time."""


class Workload(ValuesModel):
    """Values that operator and proxy share."""

    image: Image = Image()
    """Its image."""
    annotations: Strings = {}
    """Annotations of the Deployment."""
    pod_annotations: Strings = {}
    """Annotations of its Pods."""
    pod_labels: Labels = {}
    """Labels of its Pods, besides the chart's."""
    service_account: ServiceAccount = ServiceAccount()
    """Its ServiceAccount."""
    extra_env: list[Named] = []
    """Further environment variables, as Kubernetes has them."""
    extra_volumes: list[Named] = []
    """Further volumes of its Pods."""
    extra_volume_mounts: list[Named] = []
    """Further mounts of its container."""
    node_selector: Labels = {}
    """Labels of the nodes that it may run on."""
    tolerations: list[Object] = []
    """Taints that it tolerates."""
    affinity: Object = {}
    """Its affinity."""
    topology_spread_constraints: list[Object] = []
    """How its Pods are spread; each gets the Pods' selector if it has none. Empty: over nodes and
    zones, as well as can be."""
    priority_class_name: OptionalName = ""
    """Its priority class."""
    pod_disruption_budget: PodDisruptionBudget = PodDisruptionBudget()
    """How many of its Pods may be evicted."""


class Operator(Workload):
    """The operator."""

    replicas: Annotated[int, Field(ge=0)] = 2
    """Number of operators. A Lease says which of them leads; the others watch, and take over."""
    listen_host: Address = "0.0.0.0"  # noqa: S104 - a pod's network is its own
    """Address that health and metrics are served on; `::` where Pods have IPv6 only."""
    port: Port = 8081
    """Port that health and metrics are served on."""
    settings: OperatorSettings = OperatorSettings()  # type: ignore[valid-type]
    """Its settings; unset: the program's default. Each is an environment variable
    `WEGENT_OPERATOR_...` of [its page](../../docs/operator.md#settings)."""
    resources: Resources = {
        "requests": {"cpu": "50m", "memory": "128Mi"},
        "limits": {"memory": "512Mi"},
    }
    """CPU and memory of the container."""


class Service(ValuesModel):
    """A Service."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Its type."""
    port: Port = 80
    """Its port."""
    node_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port on each node, with `NodePort`; unset: any."""
    external_traffic_policy: Literal["", "Cluster", "Local"] = ""
    """With `NodePort` and `LoadBalancer`; `Local` keeps clients' addresses, which the limits of
    attempts go by. Empty: the cluster's default."""
    load_balancer_source_ranges: list[Network] = []
    """Networks that a `LoadBalancer` takes connections from; empty: all."""
    load_balancer_class: str = ""
    """Which kind of `LoadBalancer`; empty: the cluster's default. Can't be changed later."""
    ip_family_policy: Literal["", "SingleStack", "PreferDualStack", "RequireDualStack"] = ""
    """IP family policy of the Service: addresses of IPv4, of IPv6 or of both; empty: the
    cluster's default."""
    annotations: Strings = {}
    """Its annotations."""


Paths = Annotated[list[Annotated[str, Field(pattern="^/")]], Field(min_length=1)]
PUBLISHED: Final = ["/api", "/docs", "/openapi.json", "/healthz", "/readyz"]


class Ingress(ValuesModel):
    """An Ingress."""

    enabled: bool = False
    """Publish the API by an Ingress. Passwords and tokens pass through: give it TLS."""
    class_name: OptionalName = ""
    """Its class; empty: the cluster's default."""
    annotations: Strings = {}
    """Its annotations."""
    host: HostName | Literal[""] = ""
    """The host name; empty: any."""
    paths: Paths = PUBLISHED
    """Prefixes of the paths that go to the proxy: all that users need, and not `/metrics`. It
    expects `/api/v1` after no prefix."""
    path_type: Literal["Prefix", "Exact", "ImplementationSpecific"] = "Prefix"
    """How paths are compared."""
    tls_secret: OptionalName = ""
    """Name of the Secret with the certificate for the host; empty: no TLS here."""


class HttpRoute(ValuesModel):
    """An HTTPRoute of the Gateway API."""

    enabled: bool = False
    """Publish the API by an HTTPRoute. The Gateway API's kinds must be installed."""
    annotations: Strings = {}
    """Its annotations."""
    parent_refs: list[Named] = []
    """The Gateways that it belongs to; at least one."""
    hostnames: list[HostName] = []
    """Host names; empty: the Gateway's."""
    paths: Paths = PUBLISHED
    """Prefixes of the paths that go to the proxy: all that users need, and not `/metrics`."""


class Autoscaling(ValuesModel):
    """A HorizontalPodAutoscaler."""

    enabled: bool = False
    """Let the number of Pods follow their CPU. `api.replicas` then counts for nothing."""
    min_replicas: Annotated[int, Field(ge=1)] = 2
    """Fewest Pods."""
    max_replicas: Annotated[int, Field(ge=1)] = 6
    """Most Pods."""
    target_cpu_percent: Annotated[int, Field(ge=1, le=1000)] = 70
    """Mean use of the requested CPU that is aimed at. Logins are what costs CPU."""
    behavior: Object = {}
    """How quickly it scales, as Kubernetes has it."""


class Api(Workload):
    """The API proxy."""

    replicas: Annotated[int, Field(ge=0)] = 2
    """Number of proxies. They share nothing; limits of attempts count for each."""
    listen_host: Address = "0.0.0.0"  # noqa: S104 - as above
    """Address that it listens on; `::` where Pods have IPv6 only."""
    port: Port = 8000
    """Port of the container."""
    settings: ApiSettings = ApiSettings()  # type: ignore[valid-type]
    """Its settings; unset: the program's default. Each is an environment variable
    `WEGENT_API_...` of [its page](../../docs/api.md)."""
    resources: Resources = {
        "requests": {"cpu": "100m", "memory": "256Mi"},
        "limits": {"memory": "768Mi"},
    }
    """CPU and memory of the container. Each password that is being hashed takes 64 MiB."""
    drain_delay_seconds: Annotated[int, Field(ge=0, le=300)] = 5
    """How long a Pod that is to end goes on serving, until no load balancer sends it anything."""
    service: Service = Service()
    """Its Service."""
    ingress: Ingress = Ingress()
    """An Ingress to it."""
    http_route: HttpRoute = HttpRoute()
    """An HTTPRoute to it."""
    autoscaling: Autoscaling = Autoscaling()
    """A HorizontalPodAutoscaler for it."""


class NetworkPolicy(ValuesModel):
    """NetworkPolicies."""

    enabled: bool = True
    """Let only what is needed in to the Pods, and out to DNS and the API server. It takes a network
    plug-in that knows policies; others ignore them."""
    api_from: list[Object] = []
    """Sources that may reach the proxy, as in Kubernetes' `from`, besides `metricsFrom` and the
    chart's own test; empty: everybody."""
    metrics_from: list[Object] = []
    """Sources that may reach the operator's metrics, and the proxy, whose metrics are on its
    only port; empty: everybody the operator's, and `apiFrom` alone the proxy's."""
    api_server_ports: Annotated[list[Port], Field(min_length=1)] = [443, 6443]
    """Ports that the API server listens on, behind its Service too."""
    api_server_to: list[Object] = []
    """Where the API server is, as Kubernetes' `to` has it; empty: anywhere, on these ports."""
    extra_egress: list[Object] = []
    """Further destinations that operator, proxy and Jobs may reach, such as a collector of
    traces or a mesh, as Kubernetes' `egress` has it."""


class ServiceMonitor(ValuesModel):
    """ServiceMonitors of the Prometheus operator."""

    enabled: bool = False
    """Make ServiceMonitors for operator and proxy. The Prometheus operator's kinds must be
    installed."""
    labels: Labels = {}
    """Labels that your Prometheus selects by."""
    interval: Annotated[str, Field(pattern=r"^[0-9]+(ms|s|m|h)$")] = "30s"
    """How often they are scraped."""


class PrometheusRule(ValuesModel):
    """A PrometheusRule of the Prometheus operator."""

    enabled: bool = False
    """Make a PrometheusRule with alerts, each with what to do. Those that say that nothing answers
    look for what `serviceMonitor` scrapes, and are left out without it."""
    labels: Labels = {}
    """Labels that your Prometheus selects by."""


class Dashboard(ValuesModel):
    """A Grafana dashboard."""

    enabled: bool = False
    """Make a ConfigMap with a dashboard, for Grafana's sidecar."""
    labels: Labels = {"grafana_dashboard": "1"}
    """Labels that the sidecar selects by."""
    annotations: Strings = {}
    """Annotations, such as the folder to put it into."""


class Monitoring(ValuesModel):
    """Prometheus and Grafana."""

    service_monitor: ServiceMonitor = ServiceMonitor()
    """Scraping."""
    prometheus_rule: PrometheusRule = PrometheusRule()
    """Alerts."""
    dashboard: Dashboard = Dashboard()
    """A dashboard."""


class Jobs(ValuesModel):
    """The Jobs that run around installing and uninstalling, and the test."""

    pod_annotations: Strings = {}
    """Annotations of their Pods, such as one that keeps a mesh's sidecar out, with which they
    would never end."""
    pod_labels: Labels = {}
    """Labels of their Pods, besides the chart's."""
    deadline_seconds: Annotated[int, Field(ge=30)] = 240
    """How long each may take; less than Helm's own `--timeout`."""
    resources: Resources = {
        "requests": {"cpu": "50m", "memory": "128Mi"},
        "limits": {"memory": "256Mi"},
    }
    """CPU and memory of the containers."""
    node_selector: Labels = {}
    """Labels of the nodes that they may run on."""
    tolerations: list[Object] = []
    """Taints that they tolerate."""
    affinity: Object = {}
    """Their affinity."""
    priority_class_name: OptionalName = ""
    """Their priority class."""


class Uninstall(ValuesModel):
    """Steps before the release is deleted."""

    release_objects: bool = True
    """Before uninstalling, end the operator and take the trash's finalizer off every object. Off:
    nothing of users' can be deleted after uninstalling, until that is done by hand."""


class Values(ValuesModel):
    """All values."""

    name_override: NamePart = ""
    """Part of the names in place of the chart's name."""
    fullname_override: NamePart = ""
    """Prefix of all names, in place of the release's name."""
    common_labels: Labels = {}
    """Labels of all objects and Pods, besides the chart's."""
    image: Images = Images()
    """The images."""
    image_pull_secrets: list[Named] = []
    """Secrets to pull them with, each `{name: ...}`."""
    crds: Crds = Crds()
    """The CustomResourceDefinitions."""
    policies: Policies = Policies()
    """The admission policies."""
    accounts: Accounts = Accounts()
    """Where users are."""
    shared_namespaces: list[Label] = ["default"]
    """Any namespace may refer into these."""
    shared_role: Literal["viewer", "editor", "none"] = "viewer"
    """Role of every user in the shared namespaces. With `editor`, any user may change and delete
    what others made there; with `none`, users are let in one by one."""
    served_shells: list[ShellType] = ["Chat"]
    """Types of Shells that the runners serve. Bots with other Shells, their Teams and Tasks get the
    condition `Served` with the status False."""
    first_admin: FirstAdmin = FirstAdmin()
    """The first admin."""
    operator: Operator = Operator()
    """The operator."""
    api: Api = Api()
    """The API proxy."""
    pod_security_context: Object = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    """Of all Pods. On OpenShift, which chooses the ids, set `runAsUser`, `runAsGroup` and `fsGroup`
    to null."""
    container_security_context: Object = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    """Of all containers."""
    network_policy: NetworkPolicy = NetworkPolicy()
    """NetworkPolicies."""
    monitoring: Monitoring = Monitoring()
    """Prometheus and Grafana."""
    jobs: Jobs = Jobs()
    """The Jobs around installing and uninstalling."""
    uninstall: Uninstall = Uninstall()
    """Uninstalling."""
    global_: Annotated[Object, Field(alias="global")] = {}
    """Values that a parent chart shares with all its parts; this chart uses none."""
