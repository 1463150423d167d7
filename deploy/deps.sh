#!/bin/bash
# Installs what this machine lacks to build, run and test Muster, from Debian 12's packages.
#
#   deploy/deps.sh build        what `make`, `make up` and `make demo` need
#   deploy/deps.sh build test   and what `make check` and `make test` need
#   deploy/deps.sh build bench  and what `make bench` needs
#
# Looks for the commands, headers, libraries and Python modules themselves, not for package names, so what came from
# elsewhere counts too. Touches nothing, and asks no package index, when all is there. Installed servers are neither
# started nor enabled: Muster runs its own, see deploy/local.
set -euo pipefail

# probe, what to look for, Debian package
build='
command gcc gcc
header stdio.h libc6-dev
command pkg-config pkg-config
command protoc-c protobuf-c-compiler
module libprotobuf-c libprotobuf-c-dev
module libnats libnats-dev
module libcjson libcjson-dev
module libjwt libjwt-dev
module libpq libpq-dev
module libuv libuv1-dev
module openssl libssl-dev
header civetweb.h libcivetweb-dev
header uthash.h uthash-dev
file /etc/ssl/certs/ca-certificates.crt ca-certificates
command node nodejs
command npm npm
command nats-server nats-server
command haproxy haproxy
command openssl openssl
file /usr/lib/postgresql/*/bin/initdb postgresql
file /usr/bin/python3 python3
'
test='
header cmocka.h libcmocka-dev
file /usr/lib/*/faketime/libfaketime.so.1 libfaketime
command protoc protobuf-compiler
command clang clang
file /usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a libclang-rt-14-dev
command clang-format clang-format
command chromium chromium
command chromedriver chromium-driver
python google.protobuf python3-protobuf
python psycopg python3-psycopg
python pytest python3-pytest
python selenium python3-selenium
python websockets python3-websockets
'
bench='
command strace strace
command valgrind valgrind
python psycopg python3-psycopg
'

PATH=$PATH:/usr/sbin:/sbin # where Debian keeps servers, and an ordinary user does not look

found() {
  case $1 in
    command) command -v "$2" >/dev/null ;;
    header) compgen -G "/usr/include/$2" >/dev/null || compgen -G "/usr/include/*/$2" >/dev/null ;;
    module) pkg-config --exists "$2" 2>/dev/null ;;
    file) compgen -G "$2" >/dev/null ;;
    python) /usr/bin/python3 -c 'import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)' "$2" 2>/dev/null ;;
  esac
}

packages=()
for group in "$@"; do
  while read -r probe what package; do
    if [ -n "$probe" ] && ! found "$probe" "$what"; then packages+=("$package"); fi
  done <<<"${!group}"
done
[ ${#packages[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
echo "deps: this machine lacks ${packages[*]}"
if ! command -v apt-get >/dev/null || { [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
  echo "deps: cannot install them: that takes Debian's apt-get, and root or sudo. As root, run:" >&2
  echo "  apt-get install --no-install-recommends ${packages[*]}" >&2
  exit 1
fi
echo "deps: installing them${as_root:+ with sudo} (apt-get install --no-install-recommends)"

# Debian's server packages start a service and enable it, and PostgreSQL's creates a cluster on port 5432. None of that
# is wanted here: a policy-rc.d keeps services from starting while we install, a setting keeps the cluster from being
# created, and what was enabled by our install is disabled again. The first two are removed when we are done.
${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive bash -s -- "${packages[@]}" <<'ROOT'
set -euo pipefail
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/muster.conf
ours=()
cleanup() { rm -f ${ours[@]+"${ours[@]}"}; rmdir "${cluster%/*}" "${cluster%/*/*}" 2>/dev/null || true; }
trap cleanup EXIT
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  ours+=("$policy")
fi
if [ ! -e $cluster ]; then
  mkdir -p "${cluster%/*}"
  echo 'create_main_cluster = false' >$cluster
  ours+=("$cluster")
fi
apt-get -q update
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" </dev/null
for package in "$@"; do
  case $package in
    haproxy | nats-server | postgresql)
      # By hand where systemd is not installed: it may come later, and the packages have left the link for it.
      rm -f "/etc/systemd/system/multi-user.target.wants/$package.service"
      [ ! -e "/etc/init.d/$package" ] || update-rc.d "$package" disable || true ;;
  esac
done
ROOT
echo "deps: done"
