"""The parts of a document that Kubernetes defines: containers, pods, where a value comes from.

Structures that only a cluster reads (volumes, affinity, ...) are kept as they were written.
"""

from __future__ import annotations

from pydantic import Field

from .node import Boolean, Integer, IntegerOrText, Node, Structure, Template, TextMap


class KeySelector(Node):
    """A key of a Secret or a ConfigMap."""

    name: Template = ""
    key: Template
    optional: Boolean | None = None


class FieldSelector(Node):
    """A field of the pod."""

    field_path: Template
    api_version: Template | None = None


class ResourceFieldSelector(Node):
    """A resource of a container."""

    resource: Template
    container_name: Template | None = None
    divisor: IntegerOrText | None = None


class FileKeySelector(Node):
    """A key of an environment file in a volume."""

    volume_name: Template
    path: Template
    key: Template
    optional: Boolean | None = None


class ValueSource(Node):
    """Where a value comes from in the target cluster (``valueFrom``, ``tokenFrom``, ``contentFrom``): one of these."""

    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None
    field_ref: FieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    file_key_ref: FileKeySelector | None = None


class EnvVar(Node):
    """An environment variable. ``global`` gives it to services too."""

    name: Template = Field(min_length=1)
    value: Template | None = None
    value_from: ValueSource | None = None
    global_: Boolean | None = Field(default=None, alias="global")


class EnvReference(Node):
    """A whole Secret or ConfigMap."""

    name: Template = ""
    optional: Boolean | None = None


class EnvFrom(Node):
    """Variables from every key of a Secret or ConfigMap."""

    prefix: Template | None = None
    config_map_ref: EnvReference | None = None
    secret_ref: EnvReference | None = None


class Resources(Node):
    """Kubernetes quantities by resource name."""

    limits: dict[Template, IntegerOrText] | None = None
    requests: dict[Template, IntegerOrText] | None = None


class SecurityContext(Node):
    """Of a container. Ids may be templates."""

    capabilities: Structure | None = None
    privileged: Boolean | None = None
    se_linux_options: Structure | None = None
    windows_options: Structure | None = None
    run_as_user: IntegerOrText | None = None
    run_as_group: IntegerOrText | None = None
    run_as_non_root: Boolean | None = None
    read_only_root_filesystem: Boolean | None = None
    allow_privilege_escalation: Boolean | None = None
    proc_mount: Template | None = None
    seccomp_profile: Structure | None = None
    app_armor_profile: Structure | None = None


class PodSecurityContext(Node):
    """Of a pod. Ids may be templates."""

    se_linux_options: Structure | None = None
    windows_options: Structure | None = None
    run_as_user: IntegerOrText | None = None
    run_as_group: IntegerOrText | None = None
    run_as_non_root: Boolean | None = None
    supplemental_groups: tuple[Integer, ...] | None = None
    supplemental_groups_policy: Template | None = None
    fs_group: IntegerOrText | None = None
    sysctls: tuple[Structure, ...] | None = None
    fs_group_change_policy: Template | None = None
    seccomp_profile: Structure | None = None
    app_armor_profile: Structure | None = None
    se_linux_change_policy: Template | None = None


class VolumeMount(Node):
    """A volume inside a container; a relative path is below the working directory or ``/data``."""

    name: Template = Field(min_length=1)
    mount_path: Template = Field(min_length=1)
    read_only: Boolean | None = None
    recursive_read_only: Template | None = None
    sub_path: Template | None = None
    sub_path_expr: Template | None = None
    mount_propagation: Template | None = None


class ContainerConfig(Node):
    """What a process runs in. ``None`` means: as the level above says."""

    working_dir: Template | None = None
    image: Template | None = None
    image_pull_policy: Template | None = None
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    command: tuple[Template, ...] | None = None
    args: tuple[Template, ...] | None = None
    resources: Resources | None = None
    security_context: SecurityContext | None = None
    volume_mounts: tuple[VolumeMount, ...] = ()


class PodConfig(Node):
    """What the pod of an execution is to be like."""

    service_account_name: Template | None = None
    image_pull_secrets: tuple[Structure, ...] = ()
    node_selector: TextMap | None = None
    labels: TextMap | None = None
    annotations: TextMap | None = None
    volumes: tuple[Structure, ...] = ()
    active_deadline_seconds: Integer | None = Field(default=None, ge=0)
    dns_policy: Template | None = None
    node_name: Template | None = None
    security_context: PodSecurityContext | None = None
    disable_fs_group_defaulting: Boolean | None = None
    hostname: Template | None = None
    subdomain: Template | None = None
    affinity: Structure | None = None
    tolerations: tuple[Structure, ...] = ()
    host_aliases: tuple[Structure, ...] = ()
    priority_class_name: Template | None = None
    priority: Integer | None = None
    dns_config: Structure | None = None
    preemption_policy: Template | None = None
    topology_spread_constraints: tuple[Structure, ...] = ()
    scheduling_gates: tuple[Structure, ...] = ()
    resource_claims: tuple[Structure, ...] = ()
    host_pid: Boolean | None = Field(default=None, alias="hostPID")


class JobConfig(Node):
    """What the Job of an execution is to be like."""

    labels: TextMap | None = None
    annotations: TextMap | None = None
    namespace: str | None = None
    active_deadline_seconds: Integer | None = Field(default=None, ge=0)


class HttpGet(Node):
    """A probe by HTTP."""

    port: IntegerOrText
    path: Template | None = None
    host: Template | None = None
    scheme: Template | None = None
    http_headers: tuple[Structure, ...] | None = None


class TcpSocket(Node):
    """A probe by connecting."""

    port: IntegerOrText
    host: Template | None = None


class Exec(Node):
    """A probe by a command in the container."""

    command: tuple[Template, ...] = ()


class Grpc(Node):
    """A probe by the gRPC health protocol."""

    port: Integer
    service: Template | None = None


class Probe(Node):
    """When a service is ready. Times in seconds."""

    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    exec: Exec | None = None
    grpc: Grpc | None = None
    initial_delay_seconds: Integer | None = Field(default=None, ge=0)
    timeout_seconds: Integer | None = Field(default=None, ge=0)
    period_seconds: Integer | None = Field(default=None, ge=0)
    success_threshold: Integer | None = Field(default=None, ge=0)
    failure_threshold: Integer | None = Field(default=None, ge=0)
    termination_grace_period_seconds: Integer | None = Field(default=None, ge=0)


__all__ = [
    "ContainerConfig",
    "EnvFrom",
    "EnvReference",
    "EnvVar",
    "Exec",
    "FieldSelector",
    "FileKeySelector",
    "Grpc",
    "HttpGet",
    "JobConfig",
    "KeySelector",
    "PodConfig",
    "PodSecurityContext",
    "Probe",
    "ResourceFieldSelector",
    "Resources",
    "SecurityContext",
    "TcpSocket",
    "ValueSource",
    "VolumeMount",
]
