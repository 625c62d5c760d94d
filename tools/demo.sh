#!/usr/bin/env bash
# tools/demo.sh [--keep]: the main job on a throw-away appliance: CSRs, a CA, the chain into the trust
# stores, the signed certificates, and a TLS listener that serves the new chain with a key that never
# left the token. --keep leaves the appliance running in build/demo; the next --keep goes on with it.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. tools/demo-common.sh
keep=false
[ "${1:-}" != --keep ] || { keep=true; shift; }
[ $# -eq 0 ] || { echo "usage: tools/demo.sh [--keep]" >&2; exit 2; }

served() {  # what the listener presents now: fingerprint, issuer and key identifier of the leaf
  openssl s_client -connect "${url#https://}" </dev/null 2>/dev/null |
    openssl x509 -noout -fingerprint -sha256 -issuer -ext subjectKeyIdentifier
}

have_programs
make_folder demo $keep
ca=$dir/demo-ca

say "The appliance: signetd --dev $dir (product imp, token: SoftHSM)"
echo "   First boot makes an identity for every purpose, its key in the token"
start "$dir"
cat "$ready"
run signet certificate list
before=$(served)

say "A throw-away CA, made by openssl: root -> intermediate 1 -> intermediate 2"
mkdir -p "$ca"
cd "$ca"
issue() {  # NAME CN [ISSUER]
  [ ! -s "$1.pem" ] || return 0
  local by=(); [ -z "${3:-}" ] || by=(-CA "$3.pem" -CAkey "$3.key")
  run openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$1.key" -out "$1.pem" \
    -days 3650 -subj "/O=Signet demo/CN=$2" "${by[@]}" \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}
issue root "Demo Root"
issue int1 "Demo Intermediate 1" root
issue int2 "Demo Intermediate 2" int1

say "CSRs for tomcat (RSA) and cup-xmpp-ECDSA (EC); the CA signs them, keeping their extensions"
printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' >ids.cnf
for purpose in tomcat cup-xmpp-ECDSA; do
  run signet csr generate "$purpose"
  run signet csr download "$purpose" -o ./
  file=${purpose/-ECDSA/_ECDSA}  # files are named so (SPEC W5)
  run openssl x509 -req -in "$file.csr" -CA int2.pem -CAkey int2.key -days 365 -copy_extensions copy \
    -extfile ids.cnf -out "$file.pem"
done

say "The chain goes into the trust stores first, then the certificates"
for store in tomcat-trust cup-xmpp-trust; do
  run signet trust upload "$store" root.pem int1.pem int2.pem --yes --description "Demo CA" \
    --predecessor "" --predecessor "Demo Root" --predecessor "Demo Intermediate 1"
done
run signet certificate upload tomcat tomcat.pem --yes
run signet certificate upload cup-xmpp-ECDSA cup-xmpp_ECDSA.pem --yes
run signet certificate list

say "The daemon's own TLS listener serves the new chain, without a restart"
for _ in $(seq 50); do after=$(served); [ "$after" = "$before" ] || break; sleep 0.2; done
printf 'before:\n%s\nafter:\n%s\n' "$before" "$after"
[ "$after" != "$before" ] || { echo "the listener still serves the old certificate" >&2; exit 1; }
run openssl s_client -connect "${url#https://}" -CAfile root.pem -verify_return_error </dev/null 2>&1 |
  grep -E '^\$|^ *[0-9] s:|i:|Verif' || { echo "the chain does not verify" >&2; exit 1; }

say "Its key is in the token (CKA_ID is the key identifier above), and cannot leave it"
export SOFTHSM2_CONF=$dir/softhsm2.conf PIN
PIN=$(cat "$dir/pin")
key=$(signet --output json key list | get '[k["id"] for k in v if k["owner"] == "tomcat current"][0]')
run pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --login --pin env:PIN --list-objects --type privkey 2>/dev/null |
  awk -v id="$key" '/^\$/ {print; next} /^Private/ {key = ""} {key = key $0 "\n"}
                    /Access:/ && index(key, id) {printf "%s", key}'
run signet audit verify

say "How to go on"
if $keep; then
  cat <<TXT
It runs (pid $(cat "$pid_file"), log $log). In this shell:
  export PATH=$SIGNET_BIN:\$PATH SIGNET_SOCKET=$SIGNET_SOCKET
  signet status; signet trust list; signet audit list; signet --help
  curl -k $url/health/state
  kill $(cat "$pid_file")        stops it; tools/demo.sh --keep goes on with the same state
TXT
else
  echo "tools/demo.sh --keep leaves such an appliance running, to try 'signet' on it."
fi
