#!/bin/sh
# Debian's postfix, dovecot and rspamd in one root, as somebody has them who installs them by hand, with Debian's own
# settings: `plain.sh FOLDER TREES DOMAIN USER RESOLVER`. TREES are the unpacked packages, divided by colons. Everything new
# is kept in FOLDER. It runs until it is killed, as the first process of namespaces of its own for mounts and processes.
set -eu
folder=$1 trees=$2 domain=$3 user=$4 resolver=$5
root=$folder/root
mkdir "$root" "$folder/upper" "$folder/work"
mount -t overlay overlay -o "lowerdir=$trees,upperdir=$folder/upper,workdir=$folder/work" "$root"
cd "$root"
mkdir -p dev proc run tmp home var/log var/spool/postfix
chmod 1777 tmp
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs tmpfs run

# --- What scripts of the packages do

for link in bin sbin lib lib64; do ln -sf "usr/$link" "$link"; done
ln -sf dash usr/bin/sh
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
cat >> etc/passwd <<END
postfix:x:101:101::/var/spool/postfix:/usr/sbin/nologin
dovecot:x:102:102::/usr/lib/dovecot:/usr/sbin/nologin
dovenull:x:103:103::/nonexistent:/usr/sbin/nologin
_rspamd:x:104:104::/var/lib/rspamd:/usr/sbin/nologin
$user:x:1000:1000::/home/$user:/bin/sh
END
cat >> etc/group <<END
postfix:x:101:
dovecot:x:102:
dovenull:x:103:
_rspamd:x:104:
postdrop:x:105:
$user:x:1000:
END
install -d -o 1000 -g 1000 "home/$user"
install -d -o 104 -g 104 var/lib/rspamd run/rspamd var/log/rspamd
install -d -o 101 var/lib/postfix
cp -r usr/share/dovecot/dovecot.conf usr/share/dovecot/conf.d etc/dovecot/
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=mail.$domain" \
    -keyout etc/dovecot/private/dovecot.key -out etc/dovecot/private/dovecot.pem 2> /dev/null
cp etc/postfix/master.cf.proto etc/postfix/master.cf
echo "nameserver $resolver" > etc/resolv.conf
echo "127.0.0.1 localhost" > etc/hosts
(
    cd var/spool/postfix
    install -d -m 700 -o 101 active bounce corrupt defer deferred flush hold incoming private saved trace
    install -d -m 710 -o 101 -g 105 public
    install -d -m 730 -o 101 -g 105 maildrop
    # Its programs are put into this folder as their root.
    install -d pid etc
    cp "$root/etc/resolv.conf" "$root/etc/hosts" "$root/etc/services" etc/
)

# --- What a person sets

cat > etc/postfix/main.cf <<END
compatibility_level = 3.10
biff = no
append_dot_mydomain = no
readme_directory = no
myhostname = mail.$domain
myorigin = $domain
mydestination = $domain
mynetworks = 127.0.0.0/8
mailbox_size_limit = 0
recipient_delimiter = +
inet_protocols = ipv4
alias_maps =
alias_database =
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination
mailbox_transport = lmtp:unix:private/dovecot-lmtp
smtpd_milters = inet:127.0.0.1:11332
maillog_file = /var/log/mail.log
END
cat > etc/dovecot/local.conf <<END
protocols = imap lmtp
log_path = /var/log/dovecot.log
mail_driver = maildir
mail_path = ~/Maildir
mail_inbox_path = ~/Maildir
service lmtp {
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    user = postfix
    group = postfix
    mode = 0600
  }
}
END
chroot . rspamd -u _rspamd -g _rspamd -f & rspamd=$!
chroot . dovecot -F & dovecot=$!
chroot . /usr/lib/postfix/sbin/master -s & postfix=$!
while kill -0 $rspamd && kill -0 $dovecot && kill -0 $postfix; do sleep 1; done
tail -n 20 var/log/mail.log >&2
tail -n 20 var/log/dovecot.log >&2
exit 1
