#!/bin/sh
# The last step over the Debian part of Serin's image, run as root inside its root file system: by image/Dockerfile, and
# without Docker by localkube/debian.py. What it takes out is in no layer, for the layer is made after it.
set -eu
export PYTHONDONTWRITEBYTECODE=1
name=serin id=101 # the chart's runAsUser and fsGroup; kopf needs a line in passwd

# Packages that other packages name as dependencies and nothing in a container uses: mounting, logging in, passwords,
# network set-up, Perl and what asks questions at installations, the package manager. dpkg goes by itself; its list of
# what is installed stays, for scanners and for the SBOM. Names that this release of Debian does not have are passed over.
unneeded='
  debconf libdebconfclient0 iproute2 libbpf1 libcap2-bin libcap2 libelf1 libelf1t64 libmnl0 libxtables12 libbsd0
  login login.defs passwd libpam-modules libpam-modules-bin libpam-runtime libpam0g libaudit1 libaudit-common libcap-ng0
  mount util-linux util-linux-extra bsdutils bsdextrautils libfdisk1 libblkid1 libmount1 libsmartcols1 libudev1
  libsystemd0 libgcrypt20 libgpg-error0 liblz4-1 e2fsprogs libext2fs2 libext2fs2t64 libss2 logsave
  init-system-helpers sysvinit-utils hostname ncurses-bin libncursesw6 readline-common libreadline8 libreadline8t64
  diffutils sensible-utils usr-is-merged libsemanage2 libsemanage-common libsepol2
  libidn2-0 libunistring2 libunistring5 openssl media-types perl-base mawk libmd0 libzstd1 dpkg
'

remove_packages() {
  installed=$(for each in $unneeded; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$each" 2>/dev/null)" != installed ] || echo "$each"
  done)
  # Without their own scripts, which look for one another.
  for each in $installed; do
    rm -f /var/lib/dpkg/info/"$each".prerm /var/lib/dpkg/info/"$each":*.prerm
    rm -f /var/lib/dpkg/info/"$each".postrm /var/lib/dpkg/info/"$each":*.postrm
  done
  dpkg --purge --force-all $installed >/dev/null 2>/tmp/removing || { cat /tmp/removing >&2; exit 1; }
}

remove_files() {
  for each in man doc-base info locale lintian bash-completion bug menu vim apport polkit-1 debconf perl5 python3 dpkg; do
    rm -rf "/usr/share/$each"
  done
  find /usr/share/doc -mindepth 2 ! -type d ! -name copyright -delete # licences want their texts to come along
  find /usr/share/doc -mindepth 1 -type d -empty -delete
  rm -rf /usr/lib/*/gconv /usr/lib/python3*/pydoc_data /usr/lib/python3*/test /usr/lib/python3*/lib-dynload/*curses* \
    /usr/lib/python3*/lib-dynload/readline.* /usr/lib/python3/dist-packages
  rm -rf /etc/apt /etc/dpkg /etc/pam.d /etc/security /etc/perl /etc/cron.* /etc/init.d /etc/logrotate.d /etc/systemd \
    /etc/rc?.d /etc/default /etc/ufw /etc/.pwd.lock /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow-
  find /var/lib/dpkg/info -type f ! -name '*.list' ! -name '*.md5sums' -delete
  rm -f /usr/bin/py3clean /usr/bin/py3compile /usr/bin/py3versions /usr/sbin/update-passwd /usr/sbin/start-stop-daemon*
  rm -f /etc/hostname /etc/resolv.conf 2>/dev/null || : # in a build by Docker these are mounts, and empty in the image
  rm -rf /var/lib/dpkg/*-old /var/lib/dpkg/lock* /var/lib/dpkg/triggers /var/lib/apt /var/lib/pam /var/lib/systemd \
    /var/cache/* /var/log/* /var/backups/* /root/.bashrc /root/.profile /usr/lib/systemd /usr/lib/apt
  find /etc/alternatives /usr/bin -xtype l -delete
  find /run /tmp -xdev -mindepth 1 -delete 2>/dev/null || :
}

# Nobody logs in: no passwords, and no files of them.
add_user() {
  rm -f /etc/shadow /etc/gshadow
  sed -i -e '/^_apt:/d' -e 's/^\([^:]*\):[^:]*:/\1:*:/' /etc/passwd /etc/group
  if grep -q ":$id:" /etc/passwd /etc/group; then
    echo "finish.sh: uid or gid $id is taken" >&2
    exit 1
  fi
  echo "$name:*:$id:$id::/nonexistent:/usr/sbin/nologin" >>/etc/passwd
  echo "$name:*:$id:" >>/etc/group
}

# Nothing in the image gains rights by being run, but Python may be given one: CAP_NET_BIND_SERVICE (bit 10), as permitted
# only. Were it effective, too, the kernel would refuse to start Python in every container that may not have it.
set_rights() {
  find / -xdev -type f -perm /6000 -exec chmod ug-s {} +
  /usr/bin/python3 -c '
import os, struct
told = struct.pack("<5I", 0x02000000, 1 << 10, 0, 0, 0)  # vfs_cap_data, revision 2: permitted, inheritable, twice
os.setxattr(os.path.realpath("/usr/bin/python3"), "security.capability", told)'
}

remove_packages
remove_files
add_user
mkdir -p /usr/lib/ssl
ln -sfn /etc/ssl/certs /usr/lib/ssl/certs # where libssl looks; the link belonged to the package openssl
set_rights
