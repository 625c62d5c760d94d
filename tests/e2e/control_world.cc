#include "tests/e2e/control_world.h"

#include <filesystem>

#include "tests/support/served.h"

namespace signet::testing {

Control::Control(const std::string& take_up) {
  std::filesystem::permissions(std::filesystem::path(appliance.folder()).parent_path(),
                               std::filesystem::perms(0755));
  for (const char* folder : {"door", "nginx"}) {
    std::filesystem::create_directory(appliance.Spare(folder));
    std::filesystem::permissions(appliance.Spare(folder), std::filesystem::perms(0755));
  }
  appliance.EditConfig(
      "[outgoing]",
      "[service.\"Cisco Tomcat\"]\nserver = \"nginx\"\nuser = \"nobody\"\nsocket = \"" + Socket() +
          "\"\npublish = \"" + Published() + "\"\ndriver = \"process\"\ncommand = [" +
          "\"/usr/sbin/nginx\", \"-p\", \"" + Folder() + "\", \"-c\", \"" + Folder() +
          "/nginx.conf\", \"-e\", \"stderr\"]\ntake-up = \"" + take_up +
          "\"\nlimit-seconds = 10\nproof-seconds = 5\n"
          "endpoint = [{ address = \"127.0.0.1:" +
          port + "\", name = \"" + kNode +
          "\" }]\n"
          "[service.\"Cisco Tomcat\".environment]\n"
          "P11_KIT_SERVER_ADDRESS = \"unix:path=" +
          Socket() + "\"\nPKCS11_MODULE_PATH = \"" + kP11KitClient +
          "\"\n"
          "[service.\"Cisco SIP Proxy\"]\nuser = \"nobody\"\ndriver = \"unmanaged\"\npublish = "
          "\"" +
          appliance.Spare("sip") + "\"\n[control]\nlook-seconds = 1\n[outgoing]");
  Serve(Published() + "/current/nginx");
}

void Control::Begin() {
  appliance.StartAndWait();
  ASSERT_TRUE(
      Eventually([&] { return Service().at("wire") == "current" && Service().at("owed") == false; },
                 Seconds(30)))
      << json::serialize(Service()) << ReadWhole(appliance.log_file());
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

json::object Control::Service(const std::string& name) const {
  const json::array list = appliance.MustRpc("service.list").at("items").as_array();
  for (const json::value& item : list) {
    if (item.at("service") == json::string(name)) return item.as_object();
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

std::string Control::SerialOf(const std::string& purpose) const {
  return appliance.MustRpc("certificate.show", {{"purpose", purpose}})
      .at("serial")
      .as_string()
      .c_str();
}

void Control::Renew(const std::string& purpose) const {
  const Outcome made = appliance.Cli({"certificate", "generate", purpose, "--yes"});
  ASSERT_EQ(made.code, 0) << made.err;
}

}  // namespace signet::testing
