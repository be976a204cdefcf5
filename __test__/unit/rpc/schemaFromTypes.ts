/** JSON Schema of the answers, made from the types of the methods. */
import path from "node:path";
import ts from "typescript";

export type Schema = Readonly<Record<string, unknown>>;

/** Deeper than any answer; a type that holds itself would have no end. */
const MAX_DEPTH = 12;
/** A longer list, such as that of all error codes, grows with every release: it is text. */
const MAX_WORDS = 30;

const root = path.resolve(import.meta.dirname, "../../..");
const table = path.join(root, "src/rpc/methods/table.ts");

/** Method name to the schema of its answer. */
export function answersFromTypes(): Record<string, Schema> {
  const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), ts.sys.readFile) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram([table], options);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(table);
  if (source === undefined) throw new Error(`${table} is not there`);
  const alias = source.statements.find(
    (statement): statement is ts.TypeAliasDeclaration =>
      ts.isTypeAliasDeclaration(statement) && statement.name.text === "MethodResults",
  );
  if (alias === undefined) throw new Error("MethodResults is not there");
  const results = checker.getTypeAtLocation(alias);
  return Object.fromEntries(
    results
      .getProperties()
      .map(
        (property) => [property.name, schemaOf(checker, typeOf(checker, property, alias), alias, 0)] as const,
      )
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

const typeOf = (checker: ts.TypeChecker, symbol: ts.Symbol, place: ts.Node): ts.Type =>
  checker.getTypeOfSymbolAtLocation(symbol, place);

function schemaOf(checker: ts.TypeChecker, type: ts.Type, place: ts.Node, depth: number): Schema {
  if (depth > MAX_DEPTH) throw new Error(`${checker.typeToString(type)} holds itself`);
  const inner = (of: ts.Type): Schema => schemaOf(checker, of, place, depth + 1);
  if (type.isUnion()) return unionSchema(checker, type, inner);
  // A checked value is its plain one with a mark that exists for the compiler alone.
  if (type.isIntersection() && type.types.some(({ flags }) => flags & ts.TypeFlags.String))
    return { type: "string" };
  if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
  const { flags } = type;
  if (flags & ts.TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === "true" };
  if (flags & ts.TypeFlags.StringLike) return { type: "string" };
  if (flags & ts.TypeFlags.NumberLike) return { type: "number" };
  if (flags & ts.TypeFlags.BooleanLike) return { type: "boolean" };
  if (flags & ts.TypeFlags.Null) return { type: "null" };
  if (flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) return {};
  if (checker.isArrayType(type)) {
    const [element] = checker.getTypeArguments(type as ts.TypeReference);
    return { type: "array", items: element === undefined ? {} : inner(element) };
  }
  return objectSchema(checker, type, place, inner);
}

function unionSchema(checker: ts.TypeChecker, type: ts.UnionType, inner: (of: ts.Type) => Schema): Schema {
  const isBoolean = (part: ts.Type): boolean => (part.flags & ts.TypeFlags.BooleanLiteral) !== 0;
  const words = type.types.flatMap((part) => (part.isStringLiteral() ? [part.value] : []));
  const both = type.types.filter(isBoolean).length === 2;
  const rest = type.types.filter(
    (part) => !part.isStringLiteral() && !(both && isBoolean(part)) && !(part.flags & ts.TypeFlags.Undefined),
  );
  const parts: Schema[] = [
    ...(words.length === 0 ? [] : [words.length > MAX_WORDS ? { type: "string" } : { enum: words.sort() }]),
    ...(both ? [{ type: "boolean" }] : []),
    ...rest.map(inner),
  ];
  if (parts.length === 0) throw new Error(`${checker.typeToString(type)} has no values`);
  // The compiler's order changes with what it met first.
  parts.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return parts.length === 1 ? (parts[0] as Schema) : { anyOf: parts };
}

function objectSchema(
  checker: ts.TypeChecker,
  type: ts.Type,
  place: ts.Node,
  inner: (of: ts.Type) => Schema,
): Schema {
  const values = checker.getIndexTypeOfType(type, ts.IndexKind.String);
  const members = type.getProperties();
  const required = members.filter(({ flags }) => !(flags & ts.SymbolFlags.Optional)).map(({ name }) => name);
  return {
    type: "object",
    ...(members.length === 0
      ? {}
      : {
          properties: Object.fromEntries(
            members.map((member) => [member.name, inner(typeOf(checker, member, place))]),
          ),
          required,
        }),
    ...(values === undefined ? {} : { additionalProperties: inner(values) }),
  };
}
