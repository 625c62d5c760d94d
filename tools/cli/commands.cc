#include "tools/cli/commands.h"

#include "tools/cli/chain_cases.h"

namespace signet::tools {
namespace {

using As = Column::As;
using Count = Argument::Count;
using Source = Argument::Source;
using Type = Option::Type;

const Argument kPurpose{"PURPOSE", "purpose", "for example tomcat or cup-xmpp-ECDSA"};
const Argument kStore{"STORE", "store", "trust store, for example tomcat-trust"};
const Option kHash{"--hash",    "hash",
                   "HASH",      "default sha256; P-384 sha384, P-521 sha512",
                   Type::kText, "sha256 sha384 sha512"};

std::vector<Option> NameOptions(bool self_signed) {
  std::vector<Option> options = {
      {"--key", "key", "ALGORITHM", "default rsa:2048 or ec:P-256", Type::kText,
       "rsa:2048 rsa:3072 rsa:4096 ec:P-256 ec:P-384 ec:P-521"},
      kHash,
      {"--distribution", "distribution", "NODE",
       "a node's name (default: this node) or multi-server", Type::kText, "multi-server"},
      {"--cn", "commonName", "NAME", "common name"},
      {"--parent-domain", "parentDomain", "DOMAIN", "named too; of a multi-server common name"},
      {"--san", "sans", "TYPE:VALUE", "a further name, for example DNS:im.example.com; repeatable",
       Type::kList},
      {"--san-file", "sans", "FILE", "further names, one TYPE:VALUE a line", Type::kListFile},
      {"--organization", "organization", "TEXT", "O of the subject"},
      {"--organizational-unit", "organizationalUnit", "TEXT", "OU of the subject"},
      {"--locality", "locality", "TEXT", "L of the subject"},
      {"--state", "state", "TEXT", "ST of the subject"},
      {"--country", "country", "CODE", "C of the subject, two letters"},
  };
  if (self_signed) {
    options.push_back(
        {"--validity-days", "validityDays", "DAYS", "1 to 7300, default 1825", Type::kInteger});
  }
  return options;
}

// Of each change that can be planned (SPEC B2), behind its own options.
std::vector<Option> Plannable(std::vector<Option> options) {
  options.push_back(
      {"--dry-run", "dryRun", "", "show the plan and its hash, change nothing", Type::kFlag});
  options.push_back({"--plan", "plan", "HASH", "carry out exactly this plan, or nothing"});
  return options;
}

// The same, where findings can be overridden.
std::vector<Option> Forcible(std::vector<Option> options) {
  options.push_back({"--force", "force", "WORD", "override this finding; repeatable", Type::kList});
  options.push_back({"--reason", "reason", "TEXT", "why; the audit log keeps it"});
  return Plannable(std::move(options));
}

Option Format(std::string_view choices) {
  return {"--format", "format", "FORMAT", "default pem", Type::kText, choices};
}

const std::vector<Column> kChange = {
    {"changed", "changed"},         {"operation", "operation"},        {"csr", "csr"},
    {"fingerprint", "fingerprint"}, {"stored", "stored", As::kDigest}, {"restarts", "restart"}};

void AddCertificates(std::vector<Command>& table) {
  table.push_back({.noun = "certificate",
                   .verb = "list",
                   .method = "certificate.list",
                   .summary = "The certificate of every purpose",
                   .examples = "signet certificate list\nsignet --output json certificate list",
                   .columns = {{"purpose", "PURPOSE"},
                               {"state", "STATE"},
                               {"class", "CLASS"},
                               {"key", "KEY"},
                               {"notAfter", "NOT AFTER", As::kDate},
                               {"daysLeft", "DAYS", As::kNumber},
                               {"warnings", "WARN", As::kCount},
                               {"subject", "SUBJECT", As::kText, true}},
                   .rows = "items"});
  table.push_back({.noun = "certificate",
                   .verb = "show",
                   .method = "certificate.show",
                   .summary = "One purpose's certificate in full",
                   .examples = "signet certificate show tomcat",
                   .arguments = {kPurpose},
                   .columns = {{"purpose", "purpose"},
                               {"node", "node"},
                               {"state", "state"},
                               {"class", "class"},
                               {"subject", "subject"},
                               {"issuer", "issuer"},
                               {"serial", "serial"},
                               {"fingerprint", "fingerprint"},
                               {"notBefore", "not before"},
                               {"notAfter", "not after"},
                               {"sans", "names"},
                               {"key", "key"},
                               {"keyUri", "key URI"},
                               {"trustStore", "trust store"},
                               {"services", "services"},
                               {"daysLeft", "days left (chain)"},
                               {"uncovered", "names lacking"},
                               {"previous", "rollback kept"},
                               {"previousUntil", "rollback until"}}});
  table.push_back(
      {.noun = "certificate",
       .verb = "generate",
       .method = "certificate.generate",
       .summary = "Make a new key and a self-signed certificate in place of the current",
       .examples = "signet certificate generate tomcat --key rsa:3072 --yes",
       .arguments = {kPurpose},
       .options = Plannable(NameOptions(true)),
       .columns = kChange,
       .question = "Replace the certificate of {PURPOSE} by a new self-signed one?"});
  table.push_back({.noun = "certificate",
                   .verb = "download",
                   .method = "certificate.download",
                   .summary = "A purpose's certificate as a file",
                   .examples = "signet certificate download tomcat\n"
                               "signet certificate download cup-ECDSA -o ./     (cup_ECDSA.pem)",
                   .arguments = {kPurpose},
                   .options = {Format("pem der chain pkcs7")},
                   .special = Special::kDownload});
  table.push_back(
      {.noun = "certificate",
       .verb = "upload",
       .method = "certificate.upload",
       .summary = "Install the certificate that a CA made for a pending CSR",
       .examples = "signet certificate upload tomcat tomcat.pem --with-chain\n"
                   "signet certificate upload tomcat a.pem tomcat-ECDSA b.pem --dry-run",
       .arguments = {kPurpose,
                     {"FILE", "pem", "PEM file, - is standard input", Count::kOne, Source::kFile},
                     {"MORE", "uploads", "further PURPOSE FILE pairs: all or none", Count::kAny,
                      Source::kPairs}},
       .options =
           Forcible({{"--with-chain", "withChain", "",
                      "store the CA certificates in FILE in the trust store first", Type::kFlag}}),
       .columns = kChange,
       .question = "Replace the certificate of {PURPOSE} by {FILE} {MORE}?"});
  table.push_back({.noun = "certificate",
                   .verb = "rollback",
                   .method = "certificate.rollback",
                   .summary = "Go back to a purpose's former certificate; again: forward",
                   .examples = "signet certificate rollback tomcat --dry-run\n"
                               "signet certificate rollback tomcat --yes",
                   .arguments = {kPurpose},
                   .options = Forcible({}),
                   .columns = kChange,
                   .question = "Put the former certificate of {PURPOSE} back in place?"});
}

void AddCsrs(std::vector<Command>& table) {
  const Argument id{"ID", "id", "of 'signet csr list'"};
  table.push_back({.noun = "csr",
                   .verb = "generate",
                   .method = "csr.generate",
                   .summary = "Make a key and a certificate signing request",
                   .examples = "signet csr generate tomcat\n"
                               "signet csr generate cup-xmpp-ECDSA --key ec:P-384 "
                               "--san DNS:im.example.com",
                   .arguments = {kPurpose},
                   .options = Plannable(NameOptions(false)),
                   .columns = kChange,
                   .hint = "Fetch it with: signet csr download {csr} -o ./"});
  table.push_back({.noun = "csr",
                   .verb = "list",
                   .method = "csr.list",
                   .summary = "The CSRs that wait for their certificate",
                   .examples = "signet csr list",
                   .columns = {{"id", "ID"},
                               {"purpose", "PURPOSE"},
                               {"distribution", "DISTRIBUTION"},
                               {"key", "KEY"},
                               {"created", "CREATED", As::kDate},
                               {"subject", "SUBJECT", As::kText, true}},
                   .rows = "items"});
  table.push_back({.noun = "csr",
                   .verb = "show",
                   .method = "csr.show",
                   .summary = "One CSR in full",
                   .examples = "signet csr show 3f9a0c1d2e4b5a69",
                   .arguments = {id},
                   .columns = {{"id", "id"},
                               {"purpose", "purpose"},
                               {"distribution", "distribution"},
                               {"created", "created"},
                               {"key", "key"},
                               {"hash", "hash"},
                               {"subject", "subject"},
                               {"sans", "names"}},
                   .hint = "Fetch it with: signet csr download {id}"});
  table.push_back({.noun = "csr",
                   .verb = "download",
                   .method = "csr.download",
                   .summary = "A CSR as a file: by id, or the newest of a purpose",
                   .examples = "signet csr download tomcat -o ./     (tomcat.csr)",
                   .arguments = {{"ID|PURPOSE", "", "of a purpose the newest", Count::kOne,
                                  Source::kIdOrPurpose}},
                   .options = {Format("pem der")},
                   .special = Special::kDownload});
  table.push_back({.noun = "csr",
                   .verb = "discard",
                   .method = "csr.discard",
                   .summary = "Drop a CSR and destroy its key",
                   .examples = "signet csr discard 3f9a0c1d2e4b5a69 --yes",
                   .arguments = {id},
                   .columns = kChange,
                   .question = "Drop the CSR {ID} and destroy its key? A certificate made for it "
                               "becomes useless."});
}

void AddTrust(std::vector<Command>& table) {
  table.push_back(
      {.noun = "trust",
       .verb = "list",
       .method = "trust.list",
       .summary = "The entries of all trust stores or of one",
       .examples = "signet trust list tomcat-trust",
       .arguments = {{"STORE", "store", "only this one", Count::kOptional}},
       .options = {{"--kind", "kind", "KIND", "only this kind", Type::kText,
                    "anchor intermediate pinned ocsp-responder"},
                   {"--starts-with", "startsWith", "TEXT",
                    "only where common name or id begins so"},
                   {"--expired", "expired", "", "only expired ones", Type::kFlag},
                   {"--self-signed", "selfSigned", "", "only self-signed ones", Type::kFlag},
                   {"--unused", "unused", "", "only those that no identity rests on", Type::kFlag},
                   {"--deleted", "deleted", "", "what was deleted, instead", Type::kFlag}},
       .columns = {{"store", "STORE"},
                   {"id", "ID", As::kDigest},
                   {"kind", "KIND"},
                   {"notAfter", "NOT AFTER", As::kDate},
                   {"subject", "SUBJECT", As::kText, true}},
       .rows = "items"});
  table.push_back({.noun = "trust",
                   .verb = "show",
                   .method = "trust.show",
                   .summary = "One entry in full",
                   .examples = "signet trust show tomcat-trust FINGERPRINT",
                   .arguments = {kStore, {"ID", "id", "SHA-256 fingerprint"}},
                   .columns = {{"store", "store"},
                               {"id", "id"},
                               {"kind", "kind"},
                               {"subject", "subject"},
                               {"issuer", "issuer"},
                               {"serial", "serial"},
                               {"notBefore", "not before"},
                               {"notAfter", "not after"},
                               {"key", "key"},
                               {"description", "description"},
                               {"origin", "origin"},
                               {"added", "added"},
                               {"usedBy", "used by"}}});
  table.push_back(
      {.noun = "trust",
       .verb = "upload",
       .method = "trust.upload",
       .summary = "Store CA certificates (a chain, in any order) or pinned certificates",
       .examples = "signet trust upload tomcat-trust root.pem intermediate.pem\n"
                   "signet trust upload tomcat-trust sub.pem --description 'Issuing CA' "
                   "--predecessor 'Example Root'",
       .arguments = {kStore,
                     {"FILE", "certificates[].pem", "PEM files, - is standard input", Count::kMany,
                      Source::kFile}},
       .options =
           Plannable({{"--description", "certificates[].description", "TEXT",
                       "once for all files, or once for each", Type::kEach},
                      {"--predecessor", "certificates[].predecessor", "NAME",
                       "name of the certificate before it in the chain (its issuer)", Type::kEach},
                      {"--as", "as", "KIND", "take an end-entity certificate as this", Type::kText,
                       "pinned ocsp-responder"},
                      {"--undelete", "undelete", "", "bring back what was deleted", Type::kFlag}}),
       .columns = kChange,
       .question = "Store {FILE} in {STORE}?"});
  const Argument entry{"ID", "id", "fingerprint, or its beginning, of 'signet trust list'"};
  table.push_back({.noun = "trust",
                   .verb = "delete",
                   .method = "trust.delete",
                   .summary = "Take an entry out of a trust store, for good",
                   .examples = "signet trust delete tomcat-trust 3f9a0c1d --dry-run\n"
                               "signet trust delete tomcat-trust 3f9a0c1d --reason 'CA retired'",
                   .arguments = {kStore, entry},
                   .options = Forcible({}),
                   .columns = kChange,
                   .question = "Delete {ID} from {STORE}? --dry-run shows who rests on it."});
  table.push_back({.noun = "trust",
                   .verb = "undelete",
                   .method = "trust.undelete",
                   .summary = "Bring a deleted entry back while the undo window lasts",
                   .examples = "signet trust list --deleted\n"
                               "signet trust undelete tomcat-trust 3f9a0c1d",
                   .arguments = {kStore, entry},
                   .options = Plannable({}),
                   .columns = kChange});
  table.push_back({.noun = "trust",
                   .verb = "download",
                   .method = "trust.download",
                   .summary = "A whole trust store as a file or a folder",
                   .examples = "signet trust download tomcat-trust -o ./\n"
                               "signet trust download tomcat-trust --format pkcs12 -o trust.p12\n"
                               "signet trust download tomcat-trust --format hashed -o certs/",
                   .arguments = {kStore},
                   .options = {Format("pem pkcs7 pkcs12 hashed"),
                               {"--password", "password", "TEXT",
                                "of pkcs12, default changeit: what is in it is public"}},
                   .special = Special::kDownload});
}

void AddImport(std::vector<Command>& table) {
  table.push_back(
      {.noun = "import",
       .verb = "fetch",
       .method = "import.fetch",
       .summary = "Look at another server's certificates and store them",
       .examples = "signet import fetch cup-trust imp1.example.com:5061\n"
                   "signet import fetch tomcat-trust ldap.example.com:389 "
                   "--starttls ldap --dry-run",
       .arguments = {kStore, {"HOST", "host", "HOST[:PORT], port 443 by default"}},
       .options =
           Plannable({{"--algorithm", "algorithm", "ALGORITHM", "which certificates", Type::kText,
                       "rsa ecdsa both"},
                      {"--starttls", "starttls", "PROTOCOL", "before TLS", Type::kText,
                       "xmpp xmpp-server smtp ldap"},
                      {"--fingerprint", "fingerprint", "SHA256",
                       "of the server's certificate, known beforehand; repeatable", Type::kList}}),
       .columns = kChange,
       .question = "Are these fingerprints right? Trust them in {STORE}?",
       .special = Special::kImport});
}

void AddSettings(std::vector<Command>& table) {
  const std::vector<Column> columns = {{"name", "SETTING"},
                                       {"value", "VALUE"},
                                       {"defaultValue", "DEFAULT"},
                                       {"summary", "MEANING", As::kText, true}};
  const Argument key{"KEY", "name", "for example hosted-domains"};
  table.push_back({.noun = "setting",
                   .verb = "list",
                   .method = "setting.list",
                   .summary = "Every setting with its value and meaning",
                   .examples = "signet setting list",
                   .columns = columns,
                   .rows = "items"});
  table.push_back({.noun = "setting",
                   .verb = "get",
                   .method = "setting.get",
                   .summary = "One setting",
                   .examples = "signet setting get rollback-days",
                   .arguments = {key},
                   .columns = columns});
  table.push_back({.noun = "setting",
                   .verb = "set",
                   .method = "setting.set",
                   .summary = "Change a setting; tells what must be made anew for it",
                   .examples = "signet setting set hosted-domains 'example.com example.org'\n"
                               "signet setting set xmpp-federation-wildcards on --dry-run",
                   .arguments = {key, {"VALUE", "value", "'' for none"}},
                   .options = Plannable({}),
                   .columns = kChange});
}

void AddTokenAndKeys(std::vector<Command>& table) {
  table.push_back({.noun = "token",
                   .verb = "status",
                   .method = "token.status",
                   .summary = "State and identity of the token",
                   .examples = "signet token status",
                   .columns = {{"state", "state"},
                               {"reason", "reason"},
                               {"label", "label"},
                               {"manufacturer", "manufacturer"},
                               {"model", "model"},
                               {"serial", "serial"},
                               {"library", "library"},
                               {"failedLogins", "failed log-ins"},
                               {"nextLoginInSeconds", "next log-in in (s)"}}});
  table.push_back({.noun = "token",
                   .verb = "unlock",
                   .method = "token.unlock",
                   .summary = "Give the token its PIN (asked for, never an argument)",
                   .examples = "signet token unlock\nsignet token unlock --pin-fd 3 3</run/pin",
                   .columns = {{"state", "state"}, {"reason", "reason"}},
                   .special = Special::kUnlock,
                   .local_only = true});
  table.push_back(
      {.noun = "token",
       .verb = "self-test",
       .method = "token.selfTest",
       .summary = "Try the token's mechanisms; exit code 1 when one fails",
       .examples = "signet token self-test",
       .columns = {{"name", "STEP"}, {"passed", "PASSED"}, {"detail", "DETAIL", As::kText, true}},
       .rows = "steps",
       .verdict = "passed"});
  table.push_back({.noun = "key",
                   .verb = "list",
                   .method = "key.list",
                   .summary = "The keys in the token and their owners",
                   .examples = "signet key list",
                   .columns = {{"id", "ID", As::kDigest},
                               {"key", "KEY"},
                               {"policy", "POLICY"},
                               {"uses", "USES", As::kNumber},
                               {"owner", "OWNER"},
                               {"label", "LABEL", As::kText, true}},
                   .rows = "items"});
  table.push_back(
      {.noun = "key",
       .verb = "sign",
       .method = "key.sign",
       .summary = "Sign a message with a purpose's current key",
       .examples = "signet key sign tomcat message.txt -o message.sig\n"
                   "printf hello | signet key sign cup-ECDSA     (base64)",
       .arguments = {kPurpose,
                     {"FILE", "", "the message; default standard input", Count::kOptional}},
       .options = {{"--algorithm", "algorithm", "ALGORITHM", "default rsa-pkcs1 or ecdsa",
                    Type::kText, "rsa-pkcs1 rsa-pss ecdsa"},
                   kHash},
       .special = Special::kSign});
}

void AddAudit(std::vector<Command>& table) {
  table.push_back({.noun = "audit",
                   .verb = "list",
                   .method = "audit.list",
                   .summary = "The audit log",
                   .examples = "signet audit list",
                   .columns = {{"sequence", "NO", As::kNumber},
                               {"time", "TIME"},
                               {"actor", "ACTOR"},
                               {"method", "METHOD"},
                               {"outcome", "OUTCOME"},
                               {"detail", "DETAIL", As::kText, true}},
                   .rows = "items"});
  table.push_back({.noun = "audit",
                   .verb = "verify",
                   .method = "audit.verify",
                   .summary = "Recompute the log's hash chain; exit code 1 when it is broken",
                   .examples = "signet audit verify",
                   .columns = {{"verified", "verified"},
                               {"records", "records"},
                               {"firstBad", "first bad"},
                               {"problem", "problem"},
                               {"head", "head"}},
                   .verdict = "verified"});
}

void AddWithoutDaemon(std::vector<Command>& table) {
  table.push_back(
      {.noun = "chain",
       .verb = "check",
       .summary = "Judge chains of a file with the rules of an upload (no daemon)",
       .examples = "signet chain check --cases chains.jsonl",
       .options = {{"--cases", "cases", "FILE.jsonl",
                    "one case a line; its files are relative to FILE", Type::kText, "", true}},
       .without_daemon = CheckChainCases});
}

std::vector<Command> MakeTable() {
  std::vector<Command> table;
  table.push_back({.noun = "status",
                   .method = "status.show",
                   .summary = "State of the appliance",
                   .examples = "signet status\nsignet --output json status",
                   .columns = {{"state", "state"},
                               {"reason", "reason"},
                               {"product", "product"},
                               {"cluster", "cluster"},
                               {"node", "node"},
                               {"version", "version"},
                               {"started", "started"},
                               {"identities", "identities"},
                               {"identitiesWanted", "identities wanted"},
                               {"progress", "progress"},
                               {"pendingCsrs", "pending CSRs"},
                               {"trustEntries", "trust entries"},
                               {"recovered", "recovered operations"},
                               {"socket", "socket"},
                               {"url", "URL"}}});
  AddCertificates(table);
  AddCsrs(table);
  AddTrust(table);
  AddImport(table);
  AddSettings(table);
  AddTokenAndKeys(table);
  AddAudit(table);
  AddWithoutDaemon(table);
  table.push_back(
      {.noun = "rpc",
       .summary = "Call a method by name; the result is printed as JSON",
       .examples = "signet rpc rpc.discover\n"
                   "signet rpc certificate.show '{\"purpose\":\"tomcat\"}'",
       .arguments = {{"METHOD", "", "for example certificate.list"},
                     {"JSON", "", "parameters, an object; - is standard input", Count::kOptional}},
       .special = Special::kRaw});
  table.push_back({.noun = "completion",
                   .verb = "bash",
                   .summary = "Completion for bash",
                   .examples = "source <(signet completion bash)",
                   .special = Special::kCompletion});
  return table;
}

}  // namespace

std::span<const Command> Commands() {
  static const std::vector<Command> table = MakeTable();
  return table;
}

std::string_view NounSummary(std::string_view noun) {
  if (noun == "certificate") return "Certificates of the purposes";
  if (noun == "csr") return "Certificate signing requests";
  if (noun == "trust") return "Trust stores";
  if (noun == "import") return "Certificates of other servers";
  if (noun == "setting") return "Settings of the cluster";
  if (noun == "token") return "The PKCS#11 token";
  if (noun == "key") return "Keys in the token";
  if (noun == "audit") return "The audit log";
  if (noun == "chain") return "Certificate chains by themselves";
  if (noun == "completion") return "Shell completion";
  return "";
}

}  // namespace signet::tools
