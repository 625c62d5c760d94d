#include "rpc/methods/methods.h"
#include "services/control/change_plan.h"
#include "services/control/control_center.h"

namespace signet::rpc {

namespace api = services::api;

void AddServiceMethods(MethodTable& table, services::ControlCenter& control,
                       services::ChangePlan& plan, services::Receipts& receipts) {
  using services::ServiceVerb;
  table.Add(MakeMethod<api::PageRequest, api::Page<api::ServiceInfo>>(
      {"service.list", "The services of this node: status, what they serve, restarts owed.",
       Access::kRead},
      [&control](Call call, api::PageRequest request) {
        return control.List(std::move(call.context), std::move(request));
      }));
  struct Row {
    const char* name;
    const char* summary;
    ServiceVerb verb;
  };
  for (const Row& row :
       {Row{"service.start", "Starts a service.", ServiceVerb::kStart},
        Row{"service.stop", "Stops a service.", ServiceVerb::kStop},
        Row{"service.restart",
            "Restarts a service and those below it, and looks at what they serve then.",
            ServiceVerb::kRestart},
        Row{"service.reload", "Lets a service read its configuration anew.",
            ServiceVerb::kReload}}) {
    table.Add(MakeMethod<api::ServiceRequest, api::ServiceChange>(
        {row.name, row.summary, Access::kOperate, TokenNeed::kNone, Effect::kChange},
        [&control, verb = row.verb](Call call, api::ServiceRequest request) {
          return control.Run(std::move(call.context), std::move(call.operation), verb,
                             std::move(request));
        }));
  }
  table.Add(MakeMethod<api::Empty, api::ServicePlan>(
      {"service.plan", "The restarts that are owed, in the order in which they would be done.",
       Access::kRead},
      [&plan](Call, api::Empty) { return AtOnce(Result<api::ServicePlan>(plan.Show())); }));
  table.Add(MakeMethod<api::ApplyRequest, api::ApplyAnswer>(
      {"service.apply",
       "Carries out what is owed, proves by handshakes that it is served, puts the former "
       "identity back where it is not.",
       Access::kOperate, TokenNeed::kOperational, Effect::kChange},
      [&plan](Call call, api::ApplyRequest request) {
        return plan.Apply(std::move(call.context), std::move(call.operation), std::move(request));
      }));
  table.Add(MakeMethod<api::ReceiptRequest, api::Download>(
      {"service.receipt", "What a plan has proved, signed by the appliance's own key.",
       Access::kRead},
      [&receipts](Call, api::ReceiptRequest request) { return AtOnce(receipts.Find(request)); }));
}

}  // namespace signet::rpc
