#!/usr/bin/env bash
# tools/demo-servers.sh [--keep]: Debian's nginx, stunnel and Tomcat under the control of a throw-away
# appliance: their keys stay in its token, their certificates are renewed, and one plan lets each take
# its renewal up and proves by handshakes that it did. --keep leaves all of it running in
# build/demo-servers; the next --keep goes on with it.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. tools/demo-common.sh
keep=false
[ "${1:-}" != --keep ] || { keep=true; shift; }
[ $# -eq 0 ] || { echo "usage: tools/demo-servers.sh [--keep]" >&2; exit 2; }

have_programs
make_folder demo-servers $keep
chmod 0711 "$dir"
# Servers run as whoever runs this, or, since root is too much for a server, as nobody.
user=$(id -un) as=()
if [ "$user" = root ]; then
  user=nobody as=(/usr/bin/setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
module=$(find /usr/lib -name p11-kit-client.so -print -quit)
node=node1.signet.localhost
free_ports() { python3 -c 'import socket, sys
ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(port.getsockname()[1] for port in ports))' "$1"; }
toml_list() { python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "$@"; }

# service NAME SERVER TAKE-UP PORT COMMAND…: a table of signet.toml.
service() {
  cat <<TOML

[service."$1"]
user = "$user"
server = "$2"
socket = "$dir/doors/$2.sock"
publish = "$dir/published/$2"
driver = "process"
take-up = "$3"
endpoint = [{ address = "127.0.0.1:$4", name = "$node"${only:+, purposes = [\"$only\"]} }]
command = $(toml_list "${as[@]}" "${@:5}")
[service."$1".environment]
P11_KIT_SERVER_ADDRESS = "unix:path=$dir/doors/$2.sock"
PKCS11_MODULE_PATH = "$module"
TOML
}
snippet() { run signet service snippet "$@" | tee "$dir/snippet" | sed -n 1p; }
# What it prints below the place of that name.
part() { awk -v place="$1" '/^[#;] ---- /{on = index($0, place) > 0; next} on'; }

if [ ! -s "$dir/ports" ]; then
  free_ports 4 >"$dir/ports"
  read -r nginx stunnel tomcat behind <"$dir/ports"
  say "An appliance, and who may use which keys: three services in its signet.toml"
  start "$dir/appliance"
  stop
  mkdir -p "$dir"/{doors,published,nginx,stunnel,tomcat/{conf,logs,temp,work,webapps}}
  home=/usr/share/tomcat10
  {
    only='' service "Cisco Tomcat" nginx reload "$nginx" /usr/sbin/nginx -p "$dir/nginx" -c "$dir/nginx/nginx.conf" -e stderr
    only=cup service "Cisco SIP Proxy" stunnel reload "$stunnel" /usr/bin/stunnel4 "$dir/stunnel/stunnel.conf"
    only='' service "Cisco XCP Web Connection Manager" tomcat restart "$tomcat" /usr/bin/java \
      -Djava.security.properties="$dir/tomcat/conf/signet.security" -Dcatalina.home=$home -Dcatalina.base="$dir/tomcat" \
      -Djava.io.tmpdir="$dir/tomcat/temp" -cp $home/bin/bootstrap.jar:$home/bin/tomcat-juli.jar org.apache.catalina.startup.Bootstrap start
    printf '\n[control]\nlook-seconds = 5\n'
  } | tee "$dir/services.toml" | grep -E '^\[service\."[^"]*"\]|^(server|endpoint)'
  cat "$dir/services.toml" >>"$dir/appliance/signet.toml"
  start "$dir/appliance"

  say "Each server is configured once, with what 'signet service snippet' prints"
  snippet nginx tomcat --service "Cisco Tomcat"
  {
    echo "daemon off; pid $dir/nginx/pid; error_log stderr notice;"
    part nginx.conf <"$dir/snippet"
    echo "events {} http { access_log off;"
    for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $dir/nginx/$kind;"; done
    part /conf.d/ <"$dir/snippet" |
      sed "s/listen 443/listen 127.0.0.1:$nginx/; s,# A second pair.*: \(include .*\)OTHER,\1tomcat_ECDSA,"
    echo "}"
  } >"$dir/nginx/nginx.conf"
  snippet stunnel cup --service "Cisco SIP Proxy"
  { echo "syslog = no"; part /etc/stunnel/ <"$dir/snippet"; } |
    sed "s/0.0.0.0:8443/127.0.0.1:$stunnel/; s/127.0.0.1:8080/127.0.0.1:$behind/" >"$dir/stunnel/stunnel.conf"
  snippet tomcat cup-xmpp --service "Cisco XCP Web Connection Manager"
  for file in signet-pkcs11.cfg signet.security; do
    part /etc/tomcat10/$file <"$dir/snippet" | sed "s,/etc/tomcat10,$dir/tomcat/conf," >"$dir/tomcat/conf/$file"
  done
  {
    part "above <Server>" <"$dir/snippet" |
      sed 's,\(.*\)\(signet-cup-xmpp\)\( .*/\)cup-xmpp.xml\(.*\),&\n\1\2_ECDSA\3cup-xmpp_ECDSA.xml\4,'
    echo '<Server port="-1"><Service name="Catalina">'
    part "inside <Service>" <"$dir/snippet" |
      sed "s/port=\"8443\"/address=\"127.0.0.1\" port=\"$tomcat\"/; s,&signet-cup-xmpp;,& \&signet-cup-xmpp_ECDSA;,"
    echo '<Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps"/></Engine></Service></Server>'
  } >"$dir/tomcat/conf/server.xml"
  chmod -R a+rX "$dir"/{nginx,stunnel,tomcat}
  [ "$user" = "$(id -un)" ] || chown -R "$user" "$dir"/{nginx,stunnel,tomcat}
else
  start "$dir/appliance"
fi
read -r nginx stunnel tomcat behind <"$dir/ports"

say "Signet starts them"
for name in "Cisco Tomcat" "Cisco SIP Proxy" "Cisco XCP Web Connection Manager"; do
  run signet service start "$name"
done

say "Renewals; nothing is served before somebody restarts something"
for purpose in tomcat tomcat-ECDSA cup cup-xmpp; do
  run signet certificate generate "$purpose" --yes | sed -n 1p
done
run signet service plan

say "One plan: each service once, proved by handshakes (RSA and ECDSA apart)"
run signet service apply
run signet service list

say "The receipt, verified by openssl alone"
receipt() { run signet service receipt --format "$1" -o "$2" 2>/dev/null; }
cd "$dir"
rm -f proof.*
receipt document proof.json
receipt signature proof.sig
receipt certificate proof.pem
run openssl x509 -in proof.pem -noout -pubkey -out proof.pub
run openssl dgst -sha256 -verify proof.pub -signature proof.sig proof.json

say "How to go on"
if $keep; then
  cat <<TXT
It runs (pid $(cat "$pid_file"), log $log). In this shell:
  export PATH=$SIGNET_BIN:\$PATH SIGNET_SOCKET=$SIGNET_SOCKET
  signet certificate generate tomcat --yes; signet service plan; signet events --follow
  openssl s_client -connect 127.0.0.1:$nginx </dev/null
  \$EDITOR $dir/nginx/nginx.conf    break it, and see what 'signet service apply' does
  kill $(cat "$pid_file")        stops all of it; tools/demo-servers.sh --keep goes on with the same state
TXT
else
  echo "tools/demo-servers.sh --keep leaves them running, to renew and to break."
fi
