import { type Check, fault, ok, together, warning } from "../check.ts";

/** What `wgmesh config check` tells. */
export const configurationCheck: Check = {
  id: "configuration",
  title: "Configuration",
  judge({ configuration: { file, problems, warnings } }) {
    const findings = [
      ...problems.map(({ message, hint }) => fault(message, hint)),
      ...warnings.map((text) =>
        warning(text, "unset the variable, or spell it as 'wgmesh config show' does"),
      ),
    ];
    return together(
      findings,
      ok(file === null ? "there is no file; all that is set is right" : `${file} is right`),
    );
  },
};
