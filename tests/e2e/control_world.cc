#include "tests/e2e/control_world.h"

#include <filesystem>

#include "tests/support/served.h"

namespace signet::testing {

namespace {

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

std::string ProcessService::Text() const {
  const std::string table = "service." + Quoted(name);
  std::string words, variables;
  for (const std::string& word : command) words += (words.empty() ? "" : ", ") + Quoted(word);
  for (const auto& [variable, value] : environment)
    variables += variable + " = " + Quoted(value) + "\n";
  return "[" + table + "]\nserver = " + Quoted(server) +
         "\nuser = \"nobody\"\nsocket = " + Quoted(socket) + "\npublish = " + Quoted(publish) +
         "\ndriver = \"process\"\ncommand = [" + words + "]\ntake-up = " + Quoted(take_up) +
         "\nlimit-seconds = " + std::to_string(limit_seconds) +
         "\nproof-seconds = " + std::to_string(proof_seconds) + "\nendpoint = [{ " + endpoint +
         " }]\n[" + table + ".environment]\n" + variables;
}

// The servers' users come in, and to the folder `door` of key sockets.
ControlWorld::ControlWorld() {
  std::filesystem::create_directory(appliance.Spare("door"));
  for (const std::string& folder :
       {std::filesystem::path(appliance.folder()).parent_path().string(), appliance.Spare("door")})
    std::filesystem::permissions(folder, std::filesystem::perms(0755));
  Configure("[control]\nlook-seconds = 1\n");
}

void ControlWorld::Configure(const std::string& text) const {
  appliance.EditConfig("[outgoing]", text + "[outgoing]");
}

void ControlWorld::AwaitCurrent(const std::string& name) const {
  ASSERT_TRUE(Eventually(
      [&] {
        const json::object service = Service(name);
        return service.at("wire") == "current" && service.at("owed") == false;
      },
      Seconds(30)))
      << json::serialize(Service(name));
}

Control::Control(const std::string& take_up) {
  std::filesystem::create_directory(Folder());
  std::filesystem::permissions(Folder(), std::filesystem::perms(0755));
  ProcessService nginx;
  nginx.name = kTomcat;
  nginx.server = "nginx";
  nginx.socket = Socket();
  nginx.publish = Published();
  nginx.endpoint = "address = \"127.0.0.1:" + port + "\", name = \"" + kNode + "\"";
  nginx.take_up = take_up;
  nginx.command = {"/usr/sbin/nginx",        "-p", Folder(), "-c",
                   Folder() + "/nginx.conf", "-e", "stderr"};
  nginx.environment = {{"P11_KIT_SERVER_ADDRESS", "unix:path=" + Socket()},
                       {"PKCS11_MODULE_PATH", kP11KitClient}};
  Configure(nginx.Text() +
            "[service.\"Cisco SIP Proxy\"]\nuser = \"nobody\"\ndriver = \"unmanaged\"\npublish = " +
            Quoted(appliance.Spare("sip")) + "\n");
  Serve(Published() + "/current/nginx");
}

void Control::Begin() {
  appliance.StartAndWait();
  AwaitCurrent(kTomcat);
}

void Control::Serve(const std::string& includes, const std::string& more) const {
  std::string paths;
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    paths += std::string(kind) + "_temp_path " + Folder() + "/" + kind + ";\n";
  WriteWhole(Folder() + "/nginx.conf",
             "daemon off; user nobody nogroup; worker_processes 1; pid " + Folder() +
                 "/pid; error_log stderr notice;\nenv P11_KIT_SERVER_ADDRESS;\n"
                 "env PKCS11_MODULE_PATH;\nssl_engine pkcs11;\nevents {}\nhttp {\naccess_log "
                 "off;\n" +
                 paths + "server {\nlisten 127.0.0.1:" + port + " ssl;\ninclude " + includes +
                 "/tomcat.conf;\ninclude " + includes + "/tomcat_ECDSA.conf;\n" + more +
                 "\nreturn 204;\n} }\n");
}

json::object ControlWorld::Service(const std::string& name) const {
  const json::array list = appliance.MustRpc("service.list").at("items").as_array();
  for (const json::value& item : list) {
    if (item.at("service") == json::string(name)) return item.as_object();
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

std::string ControlWorld::SerialOf(const std::string& purpose) const {
  return appliance.MustRpc("certificate.show", {{"purpose", purpose}})
      .at("serial")
      .as_string()
      .c_str();
}

void ControlWorld::Renew(const std::string& purpose) const {
  const Outcome made = appliance.Cli({"certificate", "generate", purpose, "--yes"});
  ASSERT_EQ(made.code, 0) << made.err;
}

}  // namespace signet::testing
