"""The chart's values: names, types, defaults and descriptions.

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
from wegent_crds.schema.fields import DNS_LABEL
from wegent_operator.settings import ACCOUNT_QUOTA

SET_BY_THE_CHART: Final = frozenset(
    {"host", "port", "listen_host", "listen_port", "kubeconfig"}
    | {"accounts_namespace", "shared_namespaces", "shared_role", "account_quota"}
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
"""An IP address. The program checks it exactly."""
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
    """A part of the values. Unknown names are refused."""

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
    """Tag of both images. Empty: the chart's appVersion."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Pull policy of both images."""


class Image(ValuesModel):
    """Overrides for the image of one program."""

    repository: ImageName = ""
    """Full name of the image. Empty: derived from `image.repository`."""
    tag: Tag = ""
    """Tag of the image. Empty: `image.tag`."""
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """Digest of the image, `sha256:...`. Overrides the tag."""


class Crds(ValuesModel):
    """CustomResourceDefinitions."""

    enabled: bool = True
    """Install and upgrade the CRDs with the chart. If false, apply `crds/` before each upgrade."""
    keep: bool = True
    """Keep the CRDs, all objects of users, the accounts namespace and the first admin's password
    when the release is uninstalled. If false, `helm uninstall` deletes all of these."""


class Policies(ValuesModel):
    """Admission policies."""

    enabled: bool = True
    """Install the admission policies. If false, creators can be forged, only RBAC limits the
    operator and the proxy, and objects have the trash's finalizer only once the operator has
    added it."""
    mutating: Literal["auto", "always", "never"] = "auto"
    """Install the mutating admission policies, which set creators and the trash's finalizer:
    `auto` installs them if the cluster supports them (Kubernetes 1.36 and newer). `helm template`
    has no cluster to ask: set `always` there."""


class Accounts(ValuesModel):
    """Accounts and their limits."""

    namespace: Label = "wegent-accounts"
    """Namespace of the Accounts, their ServiceAccounts and password Secrets. It must contain
    nothing else, so it can't be the release's namespace. Don't change it once users exist."""
    create_namespace: bool = True
    """Create that namespace. If false, it must already exist."""
    registration: Literal["closed", "open"] = "closed"
    """`open`: every client of the API may register a user. `closed`: only admins create
    Accounts."""
    secrets: Annotated[int, Field(ge=1)] = 2000
    """Limit of Secrets in the accounts namespace, as a ResourceQuota. Each Account has one Secret
    for its password, so this also limits the number of users."""
    quota: dict[str, Annotated[int, Field(ge=1)]] = dict(ACCOUNT_QUOTA)
    """Limits on objects in each user's own namespace, in the format of a ResourceQuota. `null`
    removes a limit."""


class FirstAdmin(ValuesModel):
    """The first admin."""

    enabled: bool = True
    """Create an Account with the role `admin` after the installation, unless it exists."""
    username: Annotated[str, Field(pattern=f"^{DNS_LABEL}$", max_length=50)] = "admin"
    """Name of the Account."""
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)] = "admin@example.com"
    """E-mail address of the Account."""
    existing_secret: OptionalName = ""
    """Name of a Secret in the release's namespace with the password under the key `password`. Use
    it with GitOps, where Helm can't look up a password that it generated before."""
    password: Annotated[str, Field(max_length=128)] = ""
    """Password of at least 12 characters. Empty: generated once, and kept on upgrades. The record
    of the release contains the password in both cases. So change it over the API after the first
    login; a later change of this value has no effect."""


class ServiceAccount(ValuesModel):
    """A ServiceAccount."""

    create: bool = True
    """Create the ServiceAccount."""
    name: OptionalName = ""
    """Name of the ServiceAccount, for which roles and policies apply. Empty: name of the
    Deployment."""
    annotations: Strings = {}
    """Annotations of the ServiceAccount."""


class PodDisruptionBudget(ValuesModel):
    """A PodDisruptionBudget."""

    enabled: bool = True
    """Create a PodDisruptionBudget."""
    max_unavailable: (
        Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^([0-9]|[1-9][0-9]|100)%$")]
    ) = 1
    """Maximum of Pods that may be unavailable during evictions, as a number or percentage."""


class Workload(ValuesModel):
    """Values that operator and proxy share."""

    image: Image = Image()
    """Image of the program."""
    annotations: Strings = {}
    """Annotations of the Deployment."""
    pod_annotations: Strings = {}
    """Annotations of the Pods."""
    pod_labels: Labels = {}
    """Labels of the Pods, in addition to the chart's."""
    service_account: ServiceAccount = ServiceAccount()
    """ServiceAccount of the Pods."""
    extra_env: list[Named] = []
    """Additional environment variables of the container, as EnvVar objects."""
    extra_volumes: list[Named] = []
    """Additional volumes of the Pods."""
    extra_volume_mounts: list[Named] = []
    """Additional volume mounts of the container."""
    node_selector: Labels = {}
    """Node labels that the Pods require."""
    tolerations: list[Object] = []
    """Tolerations of the Pods."""
    affinity: Object = {}
    """Affinity of the Pods."""
    topology_spread_constraints: list[Object] = []
    """Topology spread constraints of the Pods. A constraint without a selector gets that of the
    Pods. Empty: spread over nodes and zones where possible."""
    priority_class_name: OptionalName = ""
    """Priority class of the Pods."""
    pod_disruption_budget: PodDisruptionBudget = PodDisruptionBudget()
    """PodDisruptionBudget of the Pods."""


class Operator(Workload):
    """The operator."""

    replicas: Annotated[int, Field(ge=0)] = 2
    """Number of operators. The holder of a Lease leads; the others watch and take over."""
    listen_host: Address = "0.0.0.0"  # noqa: S104 - a pod's network is its own
    """Address for health and metrics. Use `::` if Pods have only IPv6."""
    port: Port = 8081
    """Port for health and metrics."""
    settings: OperatorSettings = OperatorSettings()  # type: ignore[valid-type]
    """Settings of the operator. Unset: the program's default. Each one sets the environment
    variable `WEGENT_OPERATOR_...`, see [operator](../../docs/operator.md#settings)."""
    resources: Resources = {
        "requests": {"cpu": "50m", "memory": "128Mi"},
        "limits": {"memory": "512Mi"},
    }
    """Resource requests and limits of the container."""


class Service(ValuesModel):
    """A Service."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service."""
    port: Port = 80
    """Port of the Service."""
    node_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port on each node for the type `NodePort`. Unset: chosen by the cluster."""
    external_traffic_policy: Literal["", "Cluster", "Local"] = ""
    """External traffic policy for the types `NodePort` and `LoadBalancer`. `Local` preserves
    clients' addresses, which the limits of attempts use. Empty: the cluster's default."""
    load_balancer_source_ranges: list[Network] = []
    """Networks from which a `LoadBalancer` accepts connections. Empty: all."""
    load_balancer_class: str = ""
    """Class of the `LoadBalancer`. Empty: the cluster's default. Immutable."""
    ip_family_policy: Literal["", "SingleStack", "PreferDualStack", "RequireDualStack"] = ""
    """IP family policy of the Service: IPv4, IPv6 or both. Empty: the cluster's default."""
    annotations: Strings = {}
    """Annotations of the Service."""


Paths = Annotated[list[Annotated[str, Field(pattern="^/")]], Field(min_length=1)]
PUBLISHED: Final = ["/api", "/docs", "/openapi.json", "/healthz", "/readyz"]


class Ingress(ValuesModel):
    """An Ingress."""

    enabled: bool = False
    """Publish the API with an Ingress. Passwords and tokens pass through it: set up TLS."""
    class_name: OptionalName = ""
    """Class of the Ingress. Empty: the cluster's default."""
    annotations: Strings = {}
    """Annotations of the Ingress."""
    host: HostName | Literal[""] = ""
    """Host name. Empty: any."""
    paths: Paths = PUBLISHED
    """Path prefixes that are routed to the proxy. The default has all paths for users, without
    `/metrics`. The proxy expects `/api/v1` at the root."""
    path_type: Literal["Prefix", "Exact", "ImplementationSpecific"] = "Prefix"
    """Path type of the rules."""
    tls_secret: OptionalName = ""
    """Name of the Secret with the certificate for the host. Empty: no TLS."""


class HttpRoute(ValuesModel):
    """An HTTPRoute of the Gateway API."""

    enabled: bool = False
    """Publish the API with an HTTPRoute. The CRDs of the Gateway API must be installed."""
    annotations: Strings = {}
    """Annotations of the HTTPRoute."""
    parent_refs: list[Named] = []
    """References to the Gateways, at least one."""
    hostnames: list[HostName] = []
    """Host names. Empty: those of the Gateway."""
    paths: Paths = PUBLISHED
    """Path prefixes that are routed to the proxy. The default has all paths for users, without
    `/metrics`."""


class Autoscaling(ValuesModel):
    """A HorizontalPodAutoscaler."""

    enabled: bool = False
    """Scale the number of Pods by their CPU use. `api.replicas` then has no effect."""
    min_replicas: Annotated[int, Field(ge=1)] = 2
    """Minimum number of Pods."""
    max_replicas: Annotated[int, Field(ge=1)] = 6
    """Maximum number of Pods."""
    target_cpu_percent: Annotated[int, Field(ge=1, le=1000)] = 70
    """Target average CPU use, in percent of the request. Logins use most of the CPU."""
    behavior: Object = {}
    """Scaling behavior, as in a HorizontalPodAutoscaler."""


class Api(Workload):
    """The API proxy."""

    replicas: Annotated[int, Field(ge=0)] = 2
    """Number of proxies. They share no state, so limits of attempts apply to each one."""
    listen_host: Address = "0.0.0.0"  # noqa: S104 - as above
    """Address to listen on. Use `::` if Pods have only IPv6."""
    port: Port = 8000
    """Port of the container."""
    settings: ApiSettings = ApiSettings()  # type: ignore[valid-type]
    """Settings of the proxy. Unset: the program's default. Each one sets the environment variable
    `WEGENT_API_...`, see [API](../../docs/api.md)."""
    resources: Resources = {
        "requests": {"cpu": "100m", "memory": "256Mi"},
        "limits": {"memory": "768Mi"},
    }
    """Resource requests and limits of the container. Each concurrent password hash takes 64 MiB."""
    drain_delay_seconds: Annotated[int, Field(ge=0, le=300)] = 5
    """Seconds that a terminating Pod keeps serving, until load balancers have removed it."""
    service: Service = Service()
    """Service of the proxy."""
    ingress: Ingress = Ingress()
    """Ingress to the Service."""
    http_route: HttpRoute = HttpRoute()
    """HTTPRoute to the Service."""
    autoscaling: Autoscaling = Autoscaling()
    """HorizontalPodAutoscaler of the proxy."""


class NetworkPolicy(ValuesModel):
    """NetworkPolicies."""

    enabled: bool = True
    """Create NetworkPolicies that allow only the necessary traffic: to the Pods, and from them to
    DNS and the API server. They have an effect only with a network plugin that enforces them."""
    api_from: list[Object] = []
    """Peers that may connect to the proxy, as in a NetworkPolicy's `from`, in addition to
    `metricsFrom` and the chart's test. Empty: all."""
    metrics_from: list[Object] = []
    """Peers that may connect to the operator's metrics and to the proxy, which serves metrics on
    its only port. Empty: all for the operator, `apiFrom` for the proxy."""
    api_server_ports: Annotated[list[Port], Field(min_length=1)] = [443, 6443]
    """Ports of the API server: that of its Service and that of its endpoints."""
    api_server_to: list[Object] = []
    """Peers that are the API server, as in a NetworkPolicy's `to`. Empty: all, on these ports."""
    extra_egress: list[Object] = []
    """Additional `egress` rules for operator, proxy and Jobs, such as to a collector of traces or
    a mesh."""


class ServiceMonitor(ValuesModel):
    """ServiceMonitors of the Prometheus operator."""

    enabled: bool = False
    """Create ServiceMonitors for operator and proxy. The CRDs of the Prometheus operator must be
    installed."""
    labels: Labels = {}
    """Labels by which Prometheus selects the object."""
    interval: Annotated[str, Field(pattern=r"^[0-9]+(ms|s|m|h)$")] = "30s"
    """Scrape interval."""


class PrometheusRule(ValuesModel):
    """A PrometheusRule of the Prometheus operator."""

    enabled: bool = False
    """Create a PrometheusRule with alerts, each with a runbook. The alerts for missing targets
    require `serviceMonitor` and are omitted without it."""
    labels: Labels = {}
    """Labels by which Prometheus selects the object."""


class Dashboard(ValuesModel):
    """A Grafana dashboard."""

    enabled: bool = False
    """Create a ConfigMap with a dashboard, for Grafana's sidecar."""
    labels: Labels = {"grafana_dashboard": "1"}
    """Labels by which the sidecar selects the ConfigMap."""
    annotations: Strings = {}
    """Annotations of the ConfigMap, such as the dashboard's folder."""


class Monitoring(ValuesModel):
    """Prometheus and Grafana."""

    service_monitor: ServiceMonitor = ServiceMonitor()
    """ServiceMonitors."""
    prometheus_rule: PrometheusRule = PrometheusRule()
    """PrometheusRule with alerts."""
    dashboard: Dashboard = Dashboard()
    """Grafana dashboard."""


class Jobs(ValuesModel):
    """The Jobs of installation and uninstallation, and the test."""

    pod_annotations: Strings = {}
    """Annotations of the Pods, such as one that disables a mesh's sidecar, with which a Job would
    never end."""
    pod_labels: Labels = {}
    """Labels of the Pods, in addition to the chart's."""
    deadline_seconds: Annotated[int, Field(ge=30)] = 240
    """Time limit of each Job in seconds. Must be less than Helm's `--timeout`."""
    resources: Resources = {
        "requests": {"cpu": "50m", "memory": "128Mi"},
        "limits": {"memory": "256Mi"},
    }
    """Resource requests and limits of the containers."""
    node_selector: Labels = {}
    """Node labels that the Pods require."""
    tolerations: list[Object] = []
    """Tolerations of the Pods."""
    affinity: Object = {}
    """Affinity of the Pods."""
    priority_class_name: OptionalName = ""
    """Priority class of the Pods."""


class Uninstall(ValuesModel):
    """Steps before the release is deleted."""

    release_objects: bool = True
    """Before the release is uninstalled, stop the operator and remove the trash's finalizer from
    every object. If false, users' objects can't be deleted after the uninstallation until the
    finalizers are removed by hand."""


class Values(ValuesModel):
    """All values."""

    name_override: NamePart = ""
    """Replacement for the chart's name in the names of objects."""
    fullname_override: NamePart = ""
    """Prefix of all names instead of the release's name."""
    common_labels: Labels = {}
    """Labels of all objects and Pods, in addition to the chart's."""
    image: Images = Images()
    """Images of operator and proxy."""
    image_pull_secrets: list[Named] = []
    """Secrets with the registry's credentials, each `{name: ...}`."""
    crds: Crds = Crds()
    """CustomResourceDefinitions."""
    policies: Policies = Policies()
    """Admission policies."""
    accounts: Accounts = Accounts()
    """Accounts and their limits."""
    shared_namespaces: list[Label] = ["default"]
    """Namespaces whose objects may be referenced from all namespaces."""
    shared_role: Literal["viewer", "editor", "none"] = "viewer"
    """Role of every user in the shared namespaces. With `editor`, every user may change and delete
    objects of others there. With `none`, members are added one by one."""
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
    """Security context of all Pods. On OpenShift, which assigns the IDs, set `runAsUser`,
    `runAsGroup` and `fsGroup` to null."""
    container_security_context: Object = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    """Security context of all containers."""
    network_policy: NetworkPolicy = NetworkPolicy()
    """NetworkPolicies."""
    monitoring: Monitoring = Monitoring()
    """Prometheus and Grafana."""
    jobs: Jobs = Jobs()
    """Jobs of installation and uninstallation."""
    uninstall: Uninstall = Uninstall()
    """Steps before the release is uninstalled."""
    global_: Annotated[Object, Field(alias="global")] = {}
    """Global values of a parent chart. This chart uses none."""
