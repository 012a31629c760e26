# The Debian packages that the scripts need: one list, by what each is for. Read with `source`.
#
# A package is looked for by what is used of it, since a command alone may not be enough: Debian's
# protobuf-compiler comes without the files that every schema imports, which are in libprotobuf-dev.

# Runs a command as root: directly, or with sudo.
as_root() {
    if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# Whether a command is there, also one that only root's PATH has.
has_command() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null
}

# Whether the schemas are there that protoc finds without being told where.
has_protobuf_schemas() {
    local protoc root
    protoc=$(command -v protoc) || return 1
    root=$(dirname "$(dirname "$(readlink -f "$protoc")")")
    [[ -f $root/include/google/protobuf/descriptor.proto ]]
}

# Whether the C compiler is there with what it links against.
has_c_compiler() {
    command -v cc >/dev/null && echo 'int main(void) { return 0; }' | cc -xc -o /dev/null - 2>/dev/null
}

# Whether there is a busybox that needs no library of the machine, with the server that images use.
has_static_busybox() {
    [[ -x /bin/busybox ]] && ! LC_ALL=C ldd /bin/busybox 2>/dev/null | grep -q '=>' &&
        /bin/busybox httpd --help >/dev/null 2>&1
}

# Prints the packages that are missing, one a line.
#   missing_packages GROUP...
# The groups: run (Docker and an image), build (what cargo calls), test (what tests start).
missing_packages() {
    local group
    for group in "$@"; do
        case $group in
            run)
                { has_command docker && has_command dockerd; } || echo docker.io
                has_command iptables || echo iptables
                has_command curl || echo curl
                [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
                has_static_busybox || echo busybox-static
                has_command pgrep || echo procps
                ;;
            build)
                has_c_compiler || printf '%s\n' gcc libc6-dev
                has_command protoc || echo protobuf-compiler
                has_protobuf_schemas || echo libprotobuf-dev
                ;;
            test)
                python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
                has_command etcd || echo etcd-server
                has_command openssl || echo openssl
                has_command docker-registry || echo docker-registry
                ;;
            *) echo "packages.sh: there is no group $group" >&2 && return 2 ;;
        esac
    done
}

# Installs packages, with fresh lists only where the ones that are there do not do.
#   install_packages PACKAGE...
install_packages() {
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q
        --no-install-recommends "$@")
    if (($# == 0)); then return; fi
    if ! command -v apt-get >/dev/null; then
        echo "please install: $*" >&2
        return 1
    fi
    if [[ $(id -u) != 0 ]] && ! sudo -n true 2>/dev/null && [[ ! -t 0 ]]; then
        echo "missing: $*. Install these Debian packages, or run as root." >&2
        return 1
    fi
    # A fresh image has no package lists, an old one has stale lists.
    if ! apt-cache show "$@" >/dev/null 2>&1 || ! as_root "${install[@]}"; then
        as_root apt-get update -q
        as_root "${install[@]}"
    fi
}
