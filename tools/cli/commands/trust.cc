#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {
namespace {

using As = Column::As;
using Count = Argument::Count;
using Source = Argument::Source;
using Type = Option::Type;

}  // namespace

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
                   {"subject", "SUBJECT", As::kText, true},
                   {"distrusted", "OUT", As::kIsThere},  // of trust
                   {"issuer", "ISSUER", As::kText, true}},
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
                               {"distrusted", "out of trust"},
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
       .examples =
           "signet trust upload tomcat-trust root.pem intermediate.pem\n"
           "signet trust upload tomcat-trust sub.pem --description 'Issuing CA' "
           "--predecessor 'Example Root'\n"
           "signet trust upload tomcat-trust /etc/ssl/certs/ca-certificates.crt --mode bundle",
       .arguments = {kStore,
                     {"FILE", "certificates[].pem", "PEM files, - is standard input", Count::kMany,
                      Source::kFile}},
       .options =
           Plannable({{"--description", "certificates[].description", "TEXT",
                       "once for all files, or once for each", Type::kEach},
                      {"--predecessor", "certificates[].predecessor", "NAME",
                       "name of the certificate before it in the chain (its issuer)", Type::kEach},
                      {"--mode", "mode", "MODE",
                       "chain: all or nothing, up to 16 (default); bundle: what is good, up to "
                       "20,000",
                       Type::kText, "chain bundle"},
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

}  // namespace signet::tools
