#include "services/control/receipts.h"

#include "keystore/x509/certificate.h"
#include "platform/encoding.h"

namespace signet::services {

namespace {

constexpr Duration kStoreLimit = std::chrono::seconds(10);
constexpr char kSigner[] = "appliance";
constexpr char kFormat[] = "signet-receipt-1";
constexpr std::size_t kKept = 100;

}  // namespace

Result<std::string> Receipts::Sign(const std::string& operation, const std::string& hash,
                                   WallTime begun, const api::ApplyAnswer& answer) {
  const auto snapshot = state_.Now();
  const keystore::IdentityVersion* own = snapshot->Current(kSigner);
  const keystore::x509::Certificate* certificate =
      own == nullptr ? nullptr : snapshot->Certificate(own->certificate);
  if (certificate == nullptr) {
    return MakeError(Kind::kNotFound, "NO_IDENTITY", "there is no identity to sign receipts with",
                     "Wait until 'signet status' says that all identities are made.");
  }
  json::object document;
  document["format"] = kFormat;
  document["cluster"] = names_.cluster;
  document["node"] = names_.node;
  document["operation"] = operation;
  document["plan"] = hash;
  document["begun"] = FormatTime(begun);
  document["ended"] = FormatTime(clock_.Now());
  document["proved"] = answer.proved;
  document["rolledBack"] = ToJson(answer.rolled_back);
  document["left"] = ToJson(answer.left);
  document["steps"] = ToJson(answer.steps);
  keystore::ReceiptRecord record;
  record.operation = operation;
  record.document = json::serialize(document) + "\n";
  keystore::SignRequest request;
  request.purpose = kSigner;
  request.input = record.document;
  SIGNET_TRY(const keystore::Signature signature, identities_.Sign(request));
  record.signature = Base64Encode(signature.bytes);
  record.certificate = certificate->ToPem();
  keystore::Transaction transaction;
  transaction.Put(state_.layout().Receipt(operation), json::serialize(ToJson(record)));
  // Ids are in the order of time.
  std::size_t over = snapshot->receipts.size() + 1;
  for (auto row = snapshot->receipts.begin(); row != snapshot->receipts.end() && over > kKept;
       ++row, --over)
    transaction.Delete(state_.layout().Receipt(row->first));
  SIGNET_TRY(state_.store().Commit(transaction, kStoreLimit));
  return operation;
}

Result<api::Download> Receipts::Find(const api::ReceiptRequest& request) const {
  const auto snapshot = state_.Now();
  const auto& receipts = snapshot->receipts;
  const auto row = request.id         ? receipts.find(*request.id)
                   : receipts.empty() ? receipts.end()
                                      : std::prev(receipts.end());
  if (row == receipts.end()) {
    return MakeError(
        Kind::kNotFound, "RECEIPT_UNKNOWN",
        request.id ? "there is no receipt " + EscapeLine(*request.id, 32)
                   : "no plan was carried out yet",
        "'signet service apply' makes one; the last " + std::to_string(kKept) + " are kept.");
  }
  const keystore::ReceiptRecord& record = row->second.value;
  const std::string format = request.format.value_or("document");
  const std::string name = "receipt-" + record.operation;
  if (format == "document")
    return api::Download{name + ".json", format, "text", record.document, {}};
  if (format == "signature")
    return api::Download{name + ".sig", format, "base64", record.signature, {}};
  if (format == "certificate")
    return api::Download{name + ".pem", format, "text", record.certificate, {}};
  return MakeError(Kind::kUsage, "FORMAT_UNKNOWN",
                   "'" + EscapeLine(format, 32) + "' is no part of a receipt",
                   "Use document, signature or certificate.");
}

}  // namespace signet::services
