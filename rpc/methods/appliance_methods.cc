#include "rpc/methods/methods.h"
#include "rpc/openrpc.h"
#include "services/audit.h"
#include "services/events.h"

namespace signet::rpc {

namespace api = services::api;

void AddApplianceMethods(MethodTable& table, const Services& services) {
  table.Add(MakeMethod<api::Empty, api::StatusAnswer>(
      {"status.show", "The appliance at a glance; answers while the token hangs.", Access::kRead},
      [status = services.status](Call, api::Empty) {
        return AtOnce<api::StatusAnswer>(status());
      }));
  table.Add(MakeMethod<api::PageRequest, api::Page<api::AuditInfo>>(
      {"audit.list", "Records of the audit log, oldest first.", Access::kRead},
      [&audit = services.audit](Call call, api::PageRequest request) {
        return audit.List(std::move(call.context), std::move(request));
      }));
  table.Add(MakeMethod<api::Empty, api::AuditVerdict>(
      {"audit.verify", "Checks the audit log's hash chain from its first record on.",
       Access::kRead},
      [&audit = services.audit](Call call, api::Empty) {
        return audit.Verify(std::move(call.context));
      }));
  table.Add(MakeMethod<api::EventListRequest, api::EventPage>(
      {"event.list", "What happened, oldest first; GET /events streams it.", Access::kRead},
      [&events = services.events](Call call, api::EventListRequest request) {
        return events.List(std::move(call.context), std::move(request));
      }));
}

MethodTable AllMethods(const Services& services) {
  MethodTable table;
  AddApplianceMethods(table, services);
  AddCertificateMethods(table, services.certificates);
  AddTrustMethods(table, services.trust);
  AddImportMethods(table, services.import);
  AddSettingMethods(table, services.settings);
  AddMonitorMethods(table, services.monitor, services.settings);
  AddLscMethods(table, services.lscs);
  AddRevocationMethods(table, services.revocation, services.settings);
  AddConnectionMethods(table, services.connections, services.settings);
  AddKeyMethods(table, services.keys);
  AddServerMethods(table, services.servers);
  AddServiceMethods(table, services.control, services.plan, services.receipts);
  return table;
}

}  // namespace signet::rpc
