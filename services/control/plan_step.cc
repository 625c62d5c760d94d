#include "services/control/plan_step.h"

#include "services/control/plan_rules.h"

namespace signet::services {

namespace {

using keystore::OwedRecord;

// Nobody here can tell it: what it serves shows whether somebody did.
Result<TakenUp> LookAtUnmanaged(ControlCenter& center, ControlCenter::Slot& slot,
                                const std::vector<OwedRecord>& owed) {
  TakenUp taken;
  taken.looks = center.Prove(slot);
  const std::vector<OwedRecord> done = ServedOf(owed, taken.looks);
  SIGNET_TRY(center.Settle(slot, done));
  if (done.size() < owed.size()) {
    taken.skipped = "somebody must restart it; 'signet service restart " +
                    ControlCenter::ConfigOf(slot).name + "' notes that it was done";
  }
  return taken;
}

}  // namespace

ServiceVerb TakeUpVerb(const ControlledService& service) {
  return service.take_up == TakeUp::kReload ? ServiceVerb::kReload : ServiceVerb::kRestart;
}

Result<TakenUp> TakeUpCurrent(ControlCenter& center, ControlCenter::Slot& slot,
                              const std::vector<OwedRecord>& owed) {
  const ControlledService& config = ControlCenter::ConfigOf(slot);
  if (config.driver == DriverKind::kUnmanaged) return LookAtUnmanaged(center, slot, owed);
  const std::vector<WireLook> before = center.LookNow(slot);
  TakenUp taken;
  const auto look = center.Look(slot);
  if (look && look.value().status == ServiceStatus::kStopped) {
    taken.skipped = "it is stopped, and takes up what there is when it starts";
    return taken;
  }
  // One that has failed has nothing to reload.
  const bool failed = look && look.value().status == ServiceStatus::kFailed;
  Proven proven =
      center.DoAndProve(slot, failed ? ServiceVerb::kRestart : TakeUpVerb(config), config.limit);
  taken.looks = std::move(proven.looks);
  if (proven.done && AllCurrent(taken.looks)) {
    SIGNET_TRY(center.Settle(slot, owed));
    return taken;
  }
  taken.lines = center.LastLines(slot);
  if (proven.done) {
    taken.worsened = Worsened(before, taken.looks);
    return taken;
  }
  taken.error = std::move(proven.done).error();
  if (!WasTold(*taken.error)) {
    taken.worsened = Worsened(before, taken.looks);
  } else if (before.empty() || AnyServed(before)) {
    for (const OwedRecord& record : owed) taken.worsened.insert(record.cause);
  }
  return taken;
}

Result<TakenUp> TakeUpFormer(ControlCenter& center, ControlCenter::Slot& slot) {
  const ServiceVerb verb = TakeUpVerb(ControlCenter::ConfigOf(slot));
  const Duration patience = ControlCenter::ConfigOf(slot).limit;
  Proven proven = center.DoAndProve(slot, verb, patience);
  if (verb == ServiceVerb::kReload && !(proven.done && AllCurrent(proven.looks)))
    proven = center.DoAndProve(slot, ServiceVerb::kRestart, patience);
  TakenUp taken;
  taken.looks = std::move(proven.looks);
  if (!proven.done) {
    taken.error = std::move(proven.done).error();
  } else if (AllCurrent(taken.looks)) {
    const std::vector<OwedRecord> present = center.OwedOf(slot);
    SIGNET_TRY(center.Settle(slot, present));
  }
  return taken;
}

}  // namespace signet::services
