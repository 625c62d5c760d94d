#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {
namespace {

using As = Column::As;
using Count = Argument::Count;
using Source = Argument::Source;

}  // namespace

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

}  // namespace signet::tools
