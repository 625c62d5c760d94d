#include "rpc/methods/methods.h"
#include "rpc/methods/setting_method.h"
#include "services/monitor/certificate_monitor.h"

namespace signet::rpc {

namespace api = services::api;

void AddMonitorMethods(MethodTable& table, services::CertificateMonitor& monitor,
                       services::Settings& settings) {
  table.Add(MakeMethod<api::Empty, api::MonitorInfo>(
      {"monitor.show", "The certificate monitor: settings, runs, mails, what it found.",
       Access::kRead},
      [&monitor](Call call, api::Empty) { return monitor.AskShow(std::move(call.context)); }));
  table.Add(SettingMethod<api::MonitorSetRequest>(
      "monitor.set", "Changes the certificate monitor's settings.", settings));
  table.Add(MakeMethod<api::Empty, api::MonitorRun>(
      {"monitor.run", "Lets the certificate monitor run now.", Access::kOperate, TokenNeed::kNone,
       Effect::kChange},
      [&monitor](Call call, api::Empty) {
        return monitor.Run(std::move(call.context), std::move(call.operation));
      }));
  table.Add(MakeMethod<api::PreviewRequest, api::MonitorPreview>(
      {"monitor.preview", "What the monitor would find at a time to come, and whom it would mail.",
       Access::kRead},
      [&monitor](Call call, api::PreviewRequest request) {
        return monitor.AskPreview(std::move(call.context), std::move(request));
      }));
  table.Add(MakeMethod<api::Empty, api::TestMail>(
      {"monitor.testMail", "Mails all addresses now, and tells what the server says of each.",
       Access::kOperate, TokenNeed::kNone, Effect::kChange},
      [&monitor](Call call, api::Empty) {
        return monitor.SendTestMail(std::move(call.context), std::move(call.operation));
      }));
}

}  // namespace signet::rpc
