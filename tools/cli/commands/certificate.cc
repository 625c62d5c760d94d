#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {
namespace {

using As = Column::As;
using Count = Argument::Count;
using Source = Argument::Source;
using Type = Option::Type;

}  // namespace

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
  table.push_back(
      {.noun = "certificate",
       .verb = "regenerate",
       .method = "certificate.regenerate",
       .summary = "New certificates, or CSRs where a CA signs, for several purposes at once",
       .examples = "signet certificate regenerate --dry-run    # all that lack names\n"
                   "signet certificate regenerate cup-xmpp-s2s cup-xmpp-s2s-ECDSA --yes",
       .arguments = {{"PURPOSE", "purposes", "none: all whose certificate lacks names",
                      Count::kAny}},
       .options = Plannable({}),
       .columns = {{"purpose", "PURPOSE"},
                   {"fingerprint", "NEW CERTIFICATE", As::kDigest},
                   {"csr", "CSR TO BE SIGNED"}},
       .rows = "made",
       .question = "Make new certificates or CSRs? --dry-run shows which.",
       .hint = "Restart: {restarts}"});
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

}  // namespace signet::tools
